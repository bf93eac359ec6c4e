// The kernels that allocate, in Go: the same algorithms and results as jet/heap.jet.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

type tree struct{ left, right *tree }

func (t *tree) check() int {
	if t.left == nil {
		return 1
	}
	return 1 + t.left.check() + t.right.check()
}

func build(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{build(depth - 1), build(depth - 1)}
}

func binaryTrees(depth int) int {
	kept, total := build(depth), 0
	for d := 4; d <= depth; d += 2 {
		rounds := 1 << (depth - d + 4)
		for i := 0; i < rounds; i++ {
			total += build(d).check()
		}
	}
	return total + kept.check()
}

type store struct {
	items []int
	parts []*store
}

func (s *store) size() int {
	if s.parts == nil {
		return len(s.items)
	}
	n := 0
	for _, part := range s.parts {
		n += part.size()
	}
	return n
}

type grower struct{ seed, made int }

func (g *grower) grow(depth int) *store {
	g.made++
	if depth == 1 {
		g.seed = (g.seed*1309 + 13849) % 65536
		return &store{items: make([]int, g.seed%10+1)}
	}
	s := &store{}
	for i := 0; i < 4; i++ {
		s.parts = append(s.parts, g.grow(depth-1))
	}
	return s
}

func storage(rounds int) int {
	total := 0
	for round := 0; round < rounds; round++ {
		g := &grower{seed: 74755}
		s := g.grow(7)
		total += g.made + s.size()
	}
	return total
}

type vertex struct {
	out, into []*edge
	number    int
}

type edge struct{ from, to *vertex }

func connect(from, to *vertex) {
	e := &edge{from, to}
	from.out = append(from.out, e)
	to.into = append(to.into, e)
}

func graph(n int) int {
	var all []*vertex
	byID := map[int]*vertex{}
	for i := 0; i < n; i++ {
		v := &vertex{number: -1}
		all = append(all, v)
		byID[i*3] = v
	}
	for i := 1; i < n; i++ {
		connect(all[(i-1)>>1], all[i])
		connect(all[i], byID[i*7919%n*3])
	}
	stack, next := []*vertex{all[0]}, 0
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v.number < 0 {
			v.number = next
			next++
			for _, e := range v.out {
				if e.to.number < 0 {
					stack = append(stack, e.to)
				}
			}
		}
	}
	total := 0
	for _, v := range all {
		total += v.number%7*len(v.out) + len(v.into)
	}
	return total
}

func intMap(n int) int {
	m, total := map[int]int{}, 0
	for i := 0; i < n; i++ {
		m[i*7919%1000003] = i
	}
	for i := 0; i < 2*n; i++ {
		if v, ok := m[i*7919%1000003]; ok {
			total += v
		} else {
			total++
		}
	}
	for i := 0; i < n; i++ {
		m[i%1000]++
	}
	for i := 0; i < 1000; i++ {
		total += m[i]
	}
	return total
}

func stringMap(n int) int {
	m := map[string]int{}
	for i := 0; i < n; i++ {
		m["key"+strconv.Itoa(i*7919%100003)] = i
	}
	total := len(m)
	for i := 0; i < 2*n; i++ {
		if v, ok := m["key"+strconv.Itoa(i)]; ok {
			total += v
		} else {
			total++
		}
	}
	return total
}

func stringBuild(n int) int {
	total := 0
	for round := 0; round < 10; round++ {
		var b strings.Builder
		for i := 0; i < n; i++ {
			b.WriteString("item ")
			b.WriteString(strconv.Itoa(i + round))
			b.WriteByte(',')
		}
		text := b.String()
		for i := 0; i < len(text); i++ {
			if text[i] == ',' {
				total++
			}
		}
		total += len(text)
	}
	return total
}

var kernels = map[string]func(int) int{
	"BinaryTrees": binaryTrees, "Storage": storage, "Graph": graph,
	"IntMap": intMap, "StringMap": stringMap, "StringBuild": stringBuild,
}

func number(at int) int {
	if at >= len(os.Args) {
		return 1
	}
	n, err := strconv.Atoi(os.Args[at])
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	if len(os.Args) < 2 || kernels[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "error: NAME [ITERATIONS [SIZE]]")
		os.Exit(2)
	}
	for i := 0; i < number(2); i++ {
		start := time.Now()
		result := kernels[os.Args[1]](number(3))
		us := time.Since(start).Microseconds()
		fmt.Printf("%s: iterations=1 runtime: %dus\n", os.Args[1], us)
		fmt.Printf("%s: result: %d\n", os.Args[1], result)
	}
}
