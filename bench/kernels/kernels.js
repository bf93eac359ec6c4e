// The kernels in JavaScript: the same algorithms and results as jet/main.jet.
"use strict";

function fib(n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

function collatz(n) {
  let steps = 0;
  for (let start = 1; start <= n; start++) {
    for (let x = start; x !== 1; steps++) x = x % 2 === 0 ? x / 2 : 3 * x + 1;
  }
  return steps;
}

function sum(rounds) {
  const xs = [];
  for (let i = 0; i < 10000; i++) xs.push((i * 7919) % 10007);
  let total = 0;
  for (let round = 0; round < rounds; round++) {
    xs[round % xs.length] = round;
    for (let i = 0; i < xs.length; i++) total += xs[i];
  }
  return total;
}

function dot(rounds) {
  const a = new Float64Array(10000);
  const b = new Float64Array(10000);
  for (let i = 0; i < 10000; i++) {
    a[i] = i % 10;
    b[i] = i % 7;
  }
  let total = 0;
  for (let round = 0; round < rounds; round++) {
    a[round % a.length] = round % 3;
    let s = 0;
    for (let i = 0; i < a.length; i++) s += a[i] * b[i];
    total += s;
  }
  return Math.trunc(total);
}

function entry(i, j) {
  return 1 / (((i + j) * (i + j + 1)) / 2 + i + 1);
}

function times(v, out, transposed) {
  for (let i = 0; i < v.length; i++) {
    let s = 0;
    for (let j = 0; j < v.length; j++) s += (transposed ? entry(j, i) : entry(i, j)) * v[j];
    out[i] = s;
  }
}

function spectralNorm(n) {
  const u = new Float64Array(n).fill(1);
  const v = new Float64Array(n);
  const t = new Float64Array(n);
  for (let k = 0; k < 10; k++) {
    times(u, t, false);
    times(t, v, true);
    times(v, t, false);
    times(t, u, true);
  }
  let uv = 0;
  let vv = 0;
  for (let i = 0; i < n; i++) {
    uv += u[i] * v[i];
    vv += v[i] * v[i];
  }
  return Math.trunc(Math.sqrt(uv / vv) * 1e9);
}

function mandelbrot(n) {
  let inside = 0;
  for (let py = 0; py < n; py++) {
    const ci = (2.0 * py) / n - 1.0;
    for (let px = 0; px < n; px++) {
      const cr = (2.0 * px) / n - 1.5;
      let zr = 0;
      let zi = 0;
      let i = 0;
      for (; i < 50 && zr * zr + zi * zi <= 4; i++) {
        const r = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = r;
      }
      if (i === 50) inside++;
    }
  }
  return inside;
}

function sieve(n) {
  const flags = new Uint8Array(n).fill(1);
  let count = 0;
  for (let i = 2; i < n; i++) {
    if (flags[i]) {
      count++;
      for (let k = i + i; k < n; k += i) flags[k] = 0;
    }
  }
  return count;
}

function matrix(n, seed) {
  const rows = [];
  for (let i = 0; i < n; i++) {
    const row = new Float64Array(n);
    for (let j = 0; j < n; j++) row[j] = (i * seed + j) % 10;
    rows.push(row);
  }
  return rows;
}

function matMul(n) {
  const a = matrix(n, 3);
  const b = matrix(n, 7);
  let trace = 0;
  for (let i = 0; i < n; i++) {
    const row = a[i];
    for (let j = 0; j < n; j++) {
      let s = 0;
      for (let k = 0; k < n; k++) s += row[k] * b[k][j];
      if (i === j) trace += s;
    }
  }
  return Math.trunc(trace);
}

class Board {
  constructor(size) {
    this.size = size;
    this.columns = new Array(size).fill(false);
    this.rising = new Array(2 * size).fill(false);
    this.falling = new Array(2 * size + 1).fill(false);
  }

  place(row) {
    if (row === this.size) return 1;
    let solutions = 0;
    for (let c = 0; c < this.size; c++) {
      const r = row + c;
      const f = row - c + this.size;
      if (!this.columns[c] && !this.rising[r] && !this.falling[f]) {
        this.columns[c] = this.rising[r] = this.falling[f] = true;
        solutions += this.place(row + 1);
        this.columns[c] = this.rising[r] = this.falling[f] = false;
      }
    }
    return solutions;
  }
}

function nQueens(n) {
  return new Board(n).place(0);
}

function fannkuch(n) {
  const perm = new Array(n).fill(0);
  const perm1 = new Array(n).fill(0);
  const count = new Array(n).fill(0);
  for (let i = 0; i < n; i++) perm1[i] = i;
  let most = 0;
  let checksum = 0;
  let r = n;
  let order = 0;
  for (;;) {
    for (; r !== 1; r--) count[r - 1] = r;
    for (let i = 0; i < n; i++) perm[i] = perm1[i];
    let flips = 0;
    for (let k = perm[0]; k !== 0; k = perm[0]) {
      for (let i = 0, j = k; i < j; i++, j--) {
        const t = perm[i];
        perm[i] = perm[j];
        perm[j] = t;
      }
      flips++;
    }
    if (flips > most) most = flips;
    checksum += order % 2 === 0 ? flips : -flips;
    for (;;) {
      if (r === n) return checksum * 1000 + most;
      const first = perm1[0];
      for (let i = 0; i < r; i++) perm1[i] = perm1[i + 1];
      perm1[r] = first;
      if (--count[r] > 0) break;
      r++;
    }
    order++;
  }
}

class Body {
  constructor(f) {
    this.x = f * 3.1 + 0.5;
    this.y = f * 1.7 - 2.0;
    this.z = 0.25 * f;
    this.vx = 0.01 * f;
    this.vy = 0.02 * (4.0 - f);
    this.vz = 0.005 * f;
    this.mass = 1.0 / (1.0 + f);
  }
}

function advance(all, dt) {
  for (let i = 0; i < all.length; i++) {
    const a = all[i];
    for (let j = i + 1; j < all.length; j++) {
      const b = all[j];
      const dx = a.x - b.x;
      const dy = a.y - b.y;
      const dz = a.z - b.z;
      const d2 = dx * dx + dy * dy + dz * dz;
      const mag = dt / (d2 * Math.sqrt(d2));
      a.vx -= dx * b.mass * mag;
      a.vy -= dy * b.mass * mag;
      a.vz -= dz * b.mass * mag;
      b.vx += dx * a.mass * mag;
      b.vy += dy * a.mass * mag;
      b.vz += dz * a.mass * mag;
    }
  }
  for (const body of all) {
    body.x += dt * body.vx;
    body.y += dt * body.vy;
    body.z += dt * body.vz;
  }
}

function nBody(steps) {
  const all = [];
  for (let i = 0; i < 5; i++) all.push(new Body(i));
  for (let s = 0; s < steps; s++) advance(all, 0.001);
  let e = 0;
  for (let i = 0; i < all.length; i++) {
    const a = all[i];
    e += 0.5 * a.mass * (a.vx * a.vx + a.vy * a.vy + a.vz * a.vz);
    for (let j = i + 1; j < all.length; j++) {
      const b = all[j];
      const dx = a.x - b.x;
      const dy = a.y - b.y;
      const dz = a.z - b.z;
      e -= (a.mass * b.mass) / Math.sqrt(dx * dx + dy * dy + dz * dz);
    }
  }
  return Math.trunc(e * 1e9);
}

class Tree {
  constructor(left, right) {
    this.left = left;
    this.right = right;
  }

  check() {
    return this.left === null ? 1 : 1 + this.left.check() + this.right.check();
  }
}

function build(depth) {
  return depth === 0 ? new Tree(null, null) : new Tree(build(depth - 1), build(depth - 1));
}

function binaryTrees(depth) {
  const kept = build(depth);
  let total = 0;
  for (let d = 4; d <= depth; d += 2) {
    const rounds = 1 << (depth - d + 4);
    for (let i = 0; i < rounds; i++) total += build(d).check();
  }
  return total + kept.check();
}

function storage(rounds) {
  let total = 0;
  for (let round = 0; round < rounds; round++) {
    let seed = 74755, made = 0;
    const grow = (depth) => {
      made++;
      if (depth === 1) {
        seed = (seed * 1309 + 13849) % 65536;
        return { items: new Array((seed % 10) + 1).fill(0) };
      }
      const parts = [];
      for (let i = 0; i < 4; i++) parts.push(grow(depth - 1));
      return { parts };
    };
    const sizeOf = (store) => {
      if (store.items !== undefined) return store.items.length;
      let n = 0;
      for (const part of store.parts) n += sizeOf(part);
      return n;
    };
    const store = grow(7);
    total += made + sizeOf(store);
  }
  return total;
}

function connect(from, to) {
  const edge = { from, to };
  from.out.push(edge);
  to.into.push(edge);
}

function graph(n) {
  const all = [], byId = new Map();
  for (let i = 0; i < n; i++) {
    const v = { id: i * 3, out: [], into: [], number: -1 };
    all.push(v);
    byId.set(i * 3, v);
  }
  for (let i = 1; i < n; i++) {
    connect(all[(i - 1) >> 1], all[i]);
    connect(all[i], byId.get(((i * 7919) % n) * 3));
  }
  const stack = [all[0]];
  let next = 0;
  while (stack.length > 0) {
    const v = stack.pop();
    if (v.number < 0) {
      v.number = next++;
      for (const e of v.out) if (e.to.number < 0) stack.push(e.to);
    }
  }
  let total = 0;
  for (const v of all) total += (v.number % 7) * v.out.length + v.into.length;
  return total;
}

function intMap(n) {
  const map = new Map();
  for (let i = 0; i < n; i++) map.set((i * 7919) % 1000003, i);
  let total = 0;
  for (let i = 0; i < 2 * n; i++) {
    const v = map.get((i * 7919) % 1000003);
    total += v === undefined ? 1 : v;
  }
  for (let i = 0; i < n; i++) {
    const k = i % 1000;
    map.set(k, (map.get(k) ?? 0) + 1);
  }
  for (let i = 0; i < 1000; i++) total += map.get(i);
  return total;
}

function stringMap(n) {
  const map = new Map();
  for (let i = 0; i < n; i++) map.set(`key${(i * 7919) % 100003}`, i);
  let total = map.size;
  for (let i = 0; i < 2 * n; i++) {
    const v = map.get(`key${i}`);
    total += v === undefined ? 1 : v;
  }
  return total;
}

function stringBuild(n) {
  let total = 0;
  for (let round = 0; round < 10; round++) {
    let text = "";
    for (let i = 0; i < n; i++) {
      text += "item ";
      text += String(i + round);
      text += ",";
    }
    for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) === 44) total++;
    total += text.length;
  }
  return total;
}

function closures(rounds) {
  const xs = [];
  for (let i = 0; i < 1000; i++) xs.push(i);
  let total = 0;
  for (let round = 0; round < rounds; round++) {
    total += xs
      .map((x) => x * 3 + round)
      .filter((x) => x % 2 === 0)
      .reduce((a, x) => (a + x) % 1000003, 0);
  }
  return total;
}

function* range(n) {
  for (let i = 0; i < n; i++) yield i;
}

function* map(xs, f) {
  for (const x of xs) yield f(x);
}

function* filter(xs, f) {
  for (const x of xs) if (f(x)) yield x;
}

function* take(xs, n) {
  if (n <= 0) return;
  for (const x of xs) {
    yield x;
    if (--n === 0) return;
  }
}

function fold(xs, init, f) {
  let a = init;
  for (const x of xs) a = f(a, x);
  return a;
}

function iterators(rounds) {
  let total = 0;
  for (let round = 0; round < rounds; round++) {
    const tripled = map(range(1000), (x) => x * 3 + round);
    const even = filter(tripled, (x) => x % 2 === 0);
    total += fold(take(even, 400), 0, (a, x) => (a + x) % 1000003);
  }
  return total;
}

class Square {
  constructor(side) {
    this.side = side;
  }
  area() {
    return this.side * this.side;
  }
}

class Rect {
  constructor(width, height) {
    this.width = width;
    this.height = height;
  }
  area() {
    return this.width * this.height;
  }
}

class Triangle {
  constructor(base, height) {
    this.base = base;
    this.height = height;
  }
  area() {
    return Math.trunc((this.base * this.height) / 2);
  }
}

class Dot {
  area() {
    return 1;
  }
}

function dispatch(rounds) {
  const shapes = [];
  for (let i = 0; i < 1000; i++) {
    switch ((i * 7) % 4) {
      case 0:
        shapes.push(new Square(i % 10));
        break;
      case 1:
        shapes.push(new Rect(i % 10, i % 7));
        break;
      case 2:
        shapes.push(new Triangle(i % 9, i % 5));
        break;
      default:
        shapes.push(new Dot());
    }
  }
  let total = 0;
  for (let round = 0; round < rounds; round++) {
    for (const shape of shapes) total += shape.area();
  }
  return total;
}

function number(s) {
  if (s.length === 0) return { error: "empty" };
  let n = 0;
  for (let i = 0; i < s.length; i++) {
    const d = s.charCodeAt(i) - 48;
    if (d < 0 || d > 9) return { error: "digit", at: i };
    n = n * 10 + d;
  }
  return { value: n };
}

function pair(s) {
  const comma = s.indexOf(",");
  if (comma < 0) return { error: "empty" };
  const a = number(s.slice(0, comma));
  if (a.error !== undefined) return a;
  const b = number(s.slice(comma + 1));
  if (b.error !== undefined) return b;
  return { value: [a.value, b.value] };
}

function parse(rounds) {
  const lines = ["12,345", "7,x", "", "99999,1", "1,2", ",5", "4096,65536", "31,4a1", "5,", "100,200"];
  let total = 0;
  for (let round = 0; round < rounds; round++) {
    for (const line of lines) {
      const p = pair(line);
      if (p.error === undefined) total += (p.value[0] % 1000) + (p.value[1] % 1000);
      else total += p.error === "empty" ? 1 : p.at;
    }
  }
  return total;
}

const KERNELS = {
  Fib: fib, Collatz: collatz, Sum: sum, Dot: dot, SpectralNorm: spectralNorm, Mandelbrot: mandelbrot,
  Sieve: sieve, MatMul: matMul, NQueens: nQueens, Fannkuch: fannkuch, NBody: nBody,
  BinaryTrees: binaryTrees, Storage: storage, Graph: graph, IntMap: intMap, StringMap: stringMap, StringBuild: stringBuild,
  Closures: closures, Iterators: iterators, Dispatch: dispatch, Parse: parse,
};

const [name, iterations = "1", size = "1"] = process.argv.slice(2);
const kernel = KERNELS[name];
if (kernel === undefined) {
  console.error("error: NAME [ITERATIONS [SIZE]]");
  process.exit(2);
}
for (let i = 0; i < Number(iterations); i++) {
  const start = process.hrtime.bigint();
  const result = kernel(Number(size));
  const us = (process.hrtime.bigint() - start) / 1000n;
  console.log(`${name}: iterations=1 runtime: ${us}us`);
  console.log(`${name}: result: ${result}`);
}
