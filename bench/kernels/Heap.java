// The kernels that allocate, in Java: the same algorithms and results as jet/heap.jet.
import java.util.ArrayList;
import java.util.HashMap;

final class Heap {
    record Tree(Tree left, Tree right) {
        long check() {
            return left == null ? 1 : 1 + left.check() + right.check();
        }
    }

    static Tree build(long depth) {
        return depth == 0 ? new Tree(null, null) : new Tree(build(depth - 1), build(depth - 1));
    }

    static long binaryTrees(long depth) {
        Tree kept = build(depth);
        long total = 0;
        for (long d = 4; d <= depth; d += 2) {
            long rounds = 1L << (depth - d + 4);
            for (long i = 0; i < rounds; i++) total += build(d).check();
        }
        return total + kept.check();
    }

    static final class Store {
        long[] items;
        ArrayList<Store> parts;

        long size() {
            if (items != null) return items.length;
            long n = 0;
            for (Store part : parts) n += part.size();
            return n;
        }
    }

    static final class Grower {
        long seed = 74755;
        long made = 0;

        Store grow(int depth) {
            made++;
            Store store = new Store();
            if (depth == 1) {
                seed = (seed * 1309 + 13849) % 65536;
                store.items = new long[(int) (seed % 10) + 1];
                return store;
            }
            store.parts = new ArrayList<>();
            for (int i = 0; i < 4; i++) store.parts.add(grow(depth - 1));
            return store;
        }
    }

    static long storage(long rounds) {
        long total = 0;
        for (long round = 0; round < rounds; round++) {
            Grower grower = new Grower();
            Store store = grower.grow(7);
            total += grower.made + store.size();
        }
        return total;
    }

    static final class Vertex {
        final ArrayList<Edge> out = new ArrayList<>();
        final ArrayList<Edge> into = new ArrayList<>();
        long number = -1;
    }

    record Edge(Vertex from, Vertex to) {}

    static void connect(Vertex from, Vertex to) {
        Edge edge = new Edge(from, to);
        from.out.add(edge);
        to.into.add(edge);
    }

    static long graph(long n) {
        ArrayList<Vertex> all = new ArrayList<>();
        HashMap<Long, Vertex> byId = new HashMap<>();
        for (long i = 0; i < n; i++) {
            Vertex v = new Vertex();
            all.add(v);
            byId.put(i * 3, v);
        }
        for (long i = 1; i < n; i++) {
            connect(all.get((int) ((i - 1) >> 1)), all.get((int) i));
            connect(all.get((int) i), byId.get(((i * 7919) % n) * 3));
        }
        ArrayList<Vertex> stack = new ArrayList<>();
        stack.add(all.get(0));
        long next = 0;
        while (!stack.isEmpty()) {
            Vertex v = stack.remove(stack.size() - 1);
            if (v.number < 0) {
                v.number = next++;
                for (Edge e : v.out) if (e.to.number < 0) stack.add(e.to);
            }
        }
        long total = 0;
        for (Vertex v : all) total += (v.number % 7) * v.out.size() + v.into.size();
        return total;
    }

    static long intMap(long n) {
        HashMap<Long, Long> map = new HashMap<>();
        for (long i = 0; i < n; i++) map.put((i * 7919) % 1000003, i);
        long total = 0;
        for (long i = 0; i < 2 * n; i++) {
            Long v = map.get((i * 7919) % 1000003);
            total += v == null ? 1 : v;
        }
        for (long i = 0; i < n; i++) map.merge(i % 1000, 1L, Long::sum);
        for (long i = 0; i < 1000; i++) total += map.get(i);
        return total;
    }

    static long stringMap(long n) {
        HashMap<String, Long> map = new HashMap<>();
        for (long i = 0; i < n; i++) map.put("key" + (i * 7919) % 100003, i);
        long total = map.size();
        for (long i = 0; i < 2 * n; i++) {
            Long v = map.get("key" + i);
            total += v == null ? 1 : v;
        }
        return total;
    }

    static long stringBuild(long n) {
        long total = 0;
        for (long round = 0; round < 10; round++) {
            StringBuilder builder = new StringBuilder();
            for (long i = 0; i < n; i++) builder.append("item ").append(i + round).append(',');
            String text = builder.toString();
            for (int i = 0; i < text.length(); i++) if (text.charAt(i) == ',') total++;
            total += text.length();
        }
        return total;
    }

    static long run(String name, long size) {
        return switch (name) {
            case "BinaryTrees" -> binaryTrees(size);
            case "Storage" -> storage(size);
            case "Graph" -> graph(size);
            case "IntMap" -> intMap(size);
            case "StringMap" -> stringMap(size);
            case "StringBuild" -> stringBuild(size);
            default -> throw new IllegalArgumentException("no kernel " + name);
        };
    }

    public static void main(String[] args) {
        int iterations = args.length > 1 ? Integer.parseInt(args[1]) : 1;
        long size = args.length > 2 ? Long.parseLong(args[2]) : 1;
        for (int i = 0; i < iterations; i++) {
            long start = System.nanoTime();
            long result = run(args[0], size);
            long us = (System.nanoTime() - start) / 1000;
            System.out.println(args[0] + ": iterations=1 runtime: " + us + "us");
            System.out.println(args[0] + ": result: " + result);
        }
    }
}
