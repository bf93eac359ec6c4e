/* The kernels in C, for `gcc -O2`: the same algorithms and results as jet/main.jet. Only what is
   needed of C's freedom is used: no unrolling or vectors by hand. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int64_t i64;

static void *get(size_t bytes) {
    void *p = malloc(bytes);
    if (!p) abort();
    return p;
}

__attribute__((noinline)) static i64 fib(i64 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static i64 collatz(i64 n) {
    i64 steps = 0;
    for (i64 start = 1; start <= n; start++)
        for (i64 x = start; x != 1; steps++) x = x % 2 == 0 ? x / 2 : 3 * x + 1;
    return steps;
}

static i64 sum(i64 rounds) {
    i64 len = 10000, total = 0, *xs = get(len * sizeof *xs);
    for (i64 i = 0; i < len; i++) xs[i] = i * 7919 % 10007;
    for (i64 round = 0; round < rounds; round++) {
        xs[round % len] = round;
        for (i64 i = 0; i < len; i++) total += xs[i];
    }
    free(xs);
    return total;
}

static i64 dot(i64 rounds) {
    i64 len = 10000;
    double *a = get(len * sizeof *a), *b = get(len * sizeof *b), total = 0;
    for (i64 i = 0; i < len; i++) {
        a[i] = i % 10;
        b[i] = i % 7;
    }
    for (i64 round = 0; round < rounds; round++) {
        a[round % len] = round % 3;
        double s = 0;
        for (i64 i = 0; i < len; i++) s += a[i] * b[i];
        total += s;
    }
    free(a);
    free(b);
    return (i64)total;
}

static double entry(i64 i, i64 j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

static void times(const double *v, double *out, i64 n, int transposed) {
    for (i64 i = 0; i < n; i++) {
        double s = 0;
        for (i64 j = 0; j < n; j++) s += (transposed ? entry(j, i) : entry(i, j)) * v[j];
        out[i] = s;
    }
}

static i64 spectral_norm(i64 n) {
    double *u = get(n * sizeof *u), *v = get(n * sizeof *v), *t = get(n * sizeof *t);
    for (i64 i = 0; i < n; i++) u[i] = 1;
    for (int k = 0; k < 10; k++) {
        times(u, t, n, 0);
        times(t, v, n, 1);
        times(v, t, n, 0);
        times(t, u, n, 1);
    }
    double uv = 0, vv = 0;
    for (i64 i = 0; i < n; i++) {
        uv += u[i] * v[i];
        vv += v[i] * v[i];
    }
    free(u);
    free(v);
    free(t);
    return (i64)(sqrt(uv / vv) * 1e9);
}

static i64 mandelbrot(i64 n) {
    i64 inside = 0;
    for (i64 py = 0; py < n; py++) {
        double ci = 2.0 * py / n - 1.0;
        for (i64 px = 0; px < n; px++) {
            double cr = 2.0 * px / n - 1.5, zr = 0, zi = 0;
            i64 i = 0;
            for (; i < 50 && zr * zr + zi * zi <= 4.0; i++) {
                double r = zr * zr - zi * zi + cr;
                zi = 2.0 * zr * zi + ci;
                zr = r;
            }
            if (i == 50) inside++;
        }
    }
    return inside;
}

static i64 sieve(i64 n) {
    char *flags = get(n);
    memset(flags, 1, n);
    i64 count = 0;
    for (i64 i = 2; i < n; i++)
        if (flags[i]) {
            count++;
            for (i64 k = i + i; k < n; k += i) flags[k] = 0;
        }
    free(flags);
    return count;
}

static double **matrix(i64 n, i64 seed) {
    double **rows = get(n * sizeof *rows);
    for (i64 i = 0; i < n; i++) {
        rows[i] = get(n * sizeof **rows);
        for (i64 j = 0; j < n; j++) rows[i][j] = (i * seed + j) % 10;
    }
    return rows;
}

static i64 mat_mul(i64 n) {
    double **a = matrix(n, 3), **b = matrix(n, 7), trace = 0;
    for (i64 i = 0; i < n; i++)
        for (i64 j = 0; j < n; j++) {
            double s = 0;
            for (i64 k = 0; k < n; k++) s += a[i][k] * b[k][j];
            /* Every product is used, as in the other languages, where nothing proves that it is not. */
            __asm__ volatile("" : : "m"(s));
            if (i == j) trace += s;
        }
    for (i64 i = 0; i < n; i++) {
        free(a[i]);
        free(b[i]);
    }
    free(a);
    free(b);
    return (i64)trace;
}

struct board {
    i64 size;
    char *columns, *rising, *falling;
};

static i64 place(struct board *b, i64 row) {
    if (row == b->size) return 1;
    i64 solutions = 0;
    for (i64 c = 0; c < b->size; c++) {
        i64 r = row + c, f = row - c + b->size;
        if (!b->columns[c] && !b->rising[r] && !b->falling[f]) {
            b->columns[c] = b->rising[r] = b->falling[f] = 1;
            solutions += place(b, row + 1);
            b->columns[c] = b->rising[r] = b->falling[f] = 0;
        }
    }
    return solutions;
}

static i64 n_queens(i64 n) {
    struct board b = {n, calloc(n, 1), calloc(2 * n, 1), calloc(2 * n + 1, 1)};
    i64 result = place(&b, 0);
    free(b.columns);
    free(b.rising);
    free(b.falling);
    return result;
}

static i64 fannkuch(i64 n) {
    i64 *perm = calloc(n, 8), *perm1 = calloc(n, 8), *count = calloc(n, 8);
    for (i64 i = 0; i < n; i++) perm1[i] = i;
    i64 most = 0, checksum = 0, r = n, order = 0;
    for (;;) {
        for (; r != 1; r--) count[r - 1] = r;
        for (i64 i = 0; i < n; i++) perm[i] = perm1[i];
        i64 flips = 0;
        for (i64 k = perm[0]; k != 0; k = perm[0]) {
            for (i64 i = 0, j = k; i < j; i++, j--) {
                i64 t = perm[i];
                perm[i] = perm[j];
                perm[j] = t;
            }
            flips++;
        }
        if (flips > most) most = flips;
        checksum += order % 2 == 0 ? flips : -flips;
        for (;;) {
            if (r == n) {
                free(perm);
                free(perm1);
                free(count);
                return checksum * 1000 + most;
            }
            i64 first = perm1[0];
            for (i64 i = 0; i < r; i++) perm1[i] = perm1[i + 1];
            perm1[r] = first;
            if (--count[r] > 0) break;
            r++;
        }
        order++;
    }
}

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static void advance(struct body *all, double dt) {
    for (int i = 0; i < 5; i++) {
        struct body *a = &all[i];
        for (int j = i + 1; j < 5; j++) {
            struct body *b = &all[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double d2 = dx * dx + dy * dy + dz * dz, mag = dt / (d2 * sqrt(d2));
            a->vx -= dx * b->mass * mag;
            a->vy -= dy * b->mass * mag;
            a->vz -= dz * b->mass * mag;
            b->vx += dx * a->mass * mag;
            b->vy += dy * a->mass * mag;
            b->vz += dz * a->mass * mag;
        }
    }
    for (int i = 0; i < 5; i++) {
        all[i].x += dt * all[i].vx;
        all[i].y += dt * all[i].vy;
        all[i].z += dt * all[i].vz;
    }
}

static i64 n_body(i64 steps) {
    struct body all[5];
    for (int i = 0; i < 5; i++) {
        double f = i;
        all[i] = (struct body){f * 3.1 + 0.5, f * 1.7 - 2.0,      0.25 * f,       0.01 * f,
                               0.02 * (4.0 - f), 0.005 * f, 1.0 / (1.0 + f)};
    }
    for (i64 s = 0; s < steps; s++) advance(all, 0.001);
    double e = 0;
    for (int i = 0; i < 5; i++) {
        struct body *a = &all[i];
        e += 0.5 * a->mass * (a->vx * a->vx + a->vy * a->vy + a->vz * a->vz);
        for (int j = i + 1; j < 5; j++) {
            struct body *b = &all[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            e -= a->mass * b->mass / sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return (i64)(e * 1e9);
}

struct tree {
    struct tree *left, *right;
};

static struct tree *build(i64 depth) {
    struct tree *t = get(sizeof *t);
    t->left = depth ? build(depth - 1) : 0;
    t->right = depth ? build(depth - 1) : 0;
    return t;
}

static i64 check(struct tree *t) { return t->left ? 1 + check(t->left) + check(t->right) : 1; }

static void drop(struct tree *t) {
    if (t->left) {
        drop(t->left);
        drop(t->right);
    }
    free(t);
}

static i64 binary_trees(i64 depth) {
    struct tree *kept = build(depth);
    i64 total = 0;
    for (i64 d = 4; d <= depth; d += 2)
        for (i64 i = 0; i < (i64)1 << (depth - d + 4); i++) {
            struct tree *t = build(d);
            total += check(t);
            drop(t);
        }
    total += check(kept);
    drop(kept);
    return total;
}

struct store {
    i64 n;
    struct store **parts;
    i64 *items;
};

static struct store *grow(i64 depth, i64 *seed, i64 *made) {
    struct store *s = get(sizeof *s);
    ++*made;
    s->parts = 0;
    s->items = 0;
    if (depth == 1) {
        *seed = (*seed * 1309 + 13849) % 65536;
        s->n = *seed % 10 + 1;
        s->items = get(s->n * sizeof *s->items);
        memset(s->items, 0, s->n * sizeof *s->items);
        return s;
    }
    s->n = 4;
    s->parts = get(4 * sizeof *s->parts);
    for (int i = 0; i < 4; i++) s->parts[i] = grow(depth - 1, seed, made);
    return s;
}

static i64 size_of(struct store *s) {
    i64 n = 0;
    if (s->items) return s->n;
    for (i64 i = 0; i < s->n; i++) n += size_of(s->parts[i]);
    return n;
}

static void drop_store(struct store *s) {
    for (i64 i = 0; s->parts && i < s->n; i++) drop_store(s->parts[i]);
    free(s->parts);
    free(s->items);
    free(s);
}

static i64 storage(i64 rounds) {
    i64 total = 0;
    for (i64 round = 0; round < rounds; round++) {
        i64 seed = 74755, made = 0;
        struct store *s = grow(7, &seed, &made);
        total += made + size_of(s);
        drop_store(s);
    }
    return total;
}

struct edge {
    struct vertex *from, *to;
};

struct edges {
    i64 n, room;
    struct edge **at;
};

struct vertex {
    i64 id, number;
    struct edges out, into;
};

static void add_edge(struct edges *list, struct edge *e) {
    if (list->n == list->room) {
        list->room = list->room ? 2 * list->room : 4;
        list->at = realloc(list->at, list->room * sizeof *list->at);
        if (!list->at) abort();
    }
    list->at[list->n++] = e;
}

static void join(struct vertex *from, struct vertex *to) {
    struct edge *e = get(sizeof *e);
    *e = (struct edge){from, to};
    add_edge(&from->out, e);
    add_edge(&to->into, e);
}

static i64 graph(i64 n) {
    struct vertex **all = get(n * sizeof *all), **by_id = get(3 * n * sizeof *by_id);
    for (i64 i = 0; i < n; i++) {
        all[i] = get(sizeof **all);
        *all[i] = (struct vertex){i * 3, -1, {0, 0, 0}, {0, 0, 0}};
        by_id[i * 3] = all[i];
    }
    for (i64 i = 1; i < n; i++) {
        join(all[(i - 1) / 2], all[i]);
        join(all[i], by_id[i * 7919 % n * 3]);
    }
    struct vertex **stack = get((2 * n + 1) * sizeof *stack);
    i64 top = 0, next = 0, total = 0;
    stack[top++] = all[0];
    while (top > 0) {
        struct vertex *v = stack[--top];
        if (v->number >= 0) continue;
        v->number = next++;
        for (i64 k = 0; k < v->out.n; k++)
            if (v->out.at[k]->to->number < 0) stack[top++] = v->out.at[k]->to;
    }
    for (i64 i = 0; i < n; i++) total += all[i]->number % 7 * all[i]->out.n + all[i]->into.n;
    for (i64 i = 0; i < n; i++) {
        for (i64 k = 0; k < all[i]->out.n; k++) free(all[i]->out.at[k]);
        free(all[i]->out.at);
        free(all[i]->into.at);
        free(all[i]);
    }
    free(stack);
    free(by_id);
    free(all);
    return total;
}

/* An open-addressing table from keys (numbers, or texts if `text`) to numbers. */
struct map {
    i64 size, used;
    struct slot {
        char *text;
        i64 key, value;
        char full;
    } *slots;
};

static uint64_t hash(const char *text, i64 key) {
    if (!text) return (uint64_t)key * 0x9e3779b97f4a7c15u >> 20;
    uint64_t h = 14695981039346656037u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

static struct slot *find(struct map *m, const char *text, i64 key) {
    uint64_t i = hash(text, key) & (m->size - 1);
    while (m->slots[i].full && (text ? strcmp(m->slots[i].text, text) != 0 : m->slots[i].key != key))
        i = (i + 1) & (m->size - 1);
    return &m->slots[i];
}

static struct slot *put(struct map *m, const char *text, i64 key) {
    struct slot *s = find(m, text, key);
    if (s->full) return s;
    if ((m->used + 1) * 4 > m->size * 3) {
        struct map old = *m;
        m->size *= 2;
        m->slots = calloc(m->size, sizeof *m->slots);
        for (i64 i = 0; i < old.size; i++)
            if (old.slots[i].full) *find(m, old.slots[i].text, old.slots[i].key) = old.slots[i];
        free(old.slots);
        s = find(m, text, key);
    }
    m->used++;
    *s = (struct slot){text ? strdup(text) : 0, key, 0, 1};
    return s;
}

static struct map new_map(void) { return (struct map){8, 0, calloc(8, sizeof(struct slot))}; }

static void drop_map(struct map *m) {
    for (i64 i = 0; i < m->size; i++) free(m->slots[i].text);
    free(m->slots);
}

static i64 int_map(i64 n) {
    struct map m = new_map();
    for (i64 i = 0; i < n; i++) put(&m, 0, i * 7919 % 1000003)->value = i;
    i64 total = 0;
    for (i64 i = 0; i < 2 * n; i++) {
        struct slot *s = find(&m, 0, i * 7919 % 1000003);
        total += s->full ? s->value : 1;
    }
    for (i64 i = 0; i < n; i++) {
        /* Two look-ups, as in the other languages. */
        struct slot *s = find(&m, 0, i % 1000);
        i64 before = s->full ? s->value : 0;
        put(&m, 0, i % 1000)->value = before + 1;
    }
    for (i64 i = 0; i < 1000; i++) total += find(&m, 0, i)->value;
    drop_map(&m);
    return total;
}

static i64 string_map(i64 n) {
    struct map m = new_map();
    char key[32];
    for (i64 i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key%lld", (long long)(i * 7919 % 100003));
        put(&m, key, 0)->value = i;
    }
    i64 total = m.used;
    for (i64 i = 0; i < 2 * n; i++) {
        snprintf(key, sizeof key, "key%lld", (long long)i);
        struct slot *s = find(&m, key, 0);
        total += s->full ? s->value : 1;
    }
    drop_map(&m);
    return total;
}

static i64 string_build(i64 n) {
    i64 total = 0;
    for (i64 round = 0; round < 10; round++) {
        i64 len = 0, room = 16;
        char *text = get(room), piece[40];
        for (i64 i = 0; i < n; i++) {
            i64 more = snprintf(piece, sizeof piece, "item %lld,", (long long)(i + round));
            if (len + more > room && !(text = realloc(text, room = 2 * (len + more)))) abort();
            memcpy(text + len, piece, more);
            len += more;
        }
        for (i64 i = 0; i < len; i++) total += text[i] == ',';
        total += len;
        free(text);
    }
    return total;
}

struct closure {
    i64 (*code)(struct closure *, i64, i64);
    i64 captured;
};
static i64 triple(struct closure *c, i64 x, i64 unused) {
    (void)unused;
    return x * 3 + c->captured;
}
static i64 even(struct closure *c, i64 x, i64 unused) {
    (void)c, (void)unused;
    return x % 2 == 0;
}
static i64 add(struct closure *c, i64 a, i64 x) {
    (void)c;
    return (a + x) % 1000003;
}

static i64 closures(i64 rounds) {
    i64 len = 1000, total = 0, *xs = get(len * sizeof *xs);
    for (i64 i = 0; i < len; i++) xs[i] = i;
    for (i64 round = 0; round < rounds; round++) {
        struct closure f = {triple, round}, g = {even, 0}, h = {add, 0};
        i64 *mapped = get(len * sizeof *xs), *kept = get(len * sizeof *xs), n = 0, a = 0;
        for (i64 i = 0; i < len; i++) mapped[i] = f.code(&f, xs[i], 0);
        for (i64 i = 0; i < len; i++)
            if (g.code(&g, mapped[i], 0)) kept[n++] = mapped[i];
        for (i64 i = 0; i < n; i++) a = h.code(&h, a, kept[i]);
        free(mapped);
        free(kept);
        total += a;
    }
    free(xs);
    return total;
}

/* What a lazy chain comes to when it is fused. */
static i64 iterators(i64 rounds) {
    i64 total = 0;
    for (i64 round = 0; round < rounds; round++) {
        i64 a = 0, taken = 0;
        for (i64 i = 0; i < 1000 && taken < 400; i++) {
            i64 x = i * 3 + round;
            if (x % 2 != 0) continue;
            a = (a + x) % 1000003;
            taken++;
        }
        total += a;
    }
    return total;
}

struct shape {
    i64 (*area)(struct shape *);
    i64 a, b;
};
static i64 square(struct shape *s) { return s->a * s->a; }
static i64 rect(struct shape *s) { return s->a * s->b; }
static i64 triangle(struct shape *s) { return s->a * s->b / 2; }
static i64 point(struct shape *s) {
    (void)s;
    return 1;
}

static i64 dispatch(i64 rounds) {
    struct shape *shapes[1000];
    for (i64 i = 0; i < 1000; i++) {
        shapes[i] = get(sizeof *shapes[i]);
        switch (i * 7 % 4) {
        case 0: *shapes[i] = (struct shape){square, i % 10, 0}; break;
        case 1: *shapes[i] = (struct shape){rect, i % 10, i % 7}; break;
        case 2: *shapes[i] = (struct shape){triangle, i % 9, i % 5}; break;
        default: *shapes[i] = (struct shape){point, 0, 0};
        }
    }
    i64 total = 0;
    for (i64 round = 0; round < rounds; round++)
        for (i64 i = 0; i < 1000; i++) total += shapes[i]->area(shapes[i]);
    for (i64 i = 0; i < 1000; i++) free(shapes[i]);
    return total;
}

enum { OK, EMPTY, DIGIT };
struct parsed {
    int tag;
    i64 a, b;
};

static struct parsed number(const char *s, i64 len) {
    if (len == 0) return (struct parsed){EMPTY, 0, 0};
    i64 n = 0;
    for (i64 i = 0; i < len; i++) {
        i64 d = s[i] - 48;
        if (d < 0 || d > 9) return (struct parsed){DIGIT, i, 0};
        n = n * 10 + d;
    }
    return (struct parsed){OK, n, 0};
}

static struct parsed pair(const char *s, i64 len) {
    const char *comma = memchr(s, ',', len);
    if (!comma) return (struct parsed){EMPTY, 0, 0};
    struct parsed a = number(s, comma - s);
    if (a.tag != OK) return a;
    struct parsed b = number(comma + 1, s + len - comma - 1);
    if (b.tag != OK) return b;
    return (struct parsed){OK, a.a, b.a};
}

static i64 parse(i64 rounds) {
    static const char *lines[] = {"12,345", "7,x", "",       "99999,1", "1,2",
                                  ",5",     "4096,65536", "31,4a1", "5,", "100,200"};
    i64 lens[10], total = 0;
    for (int i = 0; i < 10; i++) lens[i] = strlen(lines[i]);
    for (i64 round = 0; round < rounds; round++)
        for (int i = 0; i < 10; i++) {
            struct parsed p = pair(lines[i], lens[i]);
            total += p.tag == OK ? p.a % 1000 + p.b % 1000 : p.tag == EMPTY ? 1 : p.a;
        }
    return total;
}

static const struct {
    const char *name;
    i64 (*run)(i64);
} kernels[] = {{"Fib", fib},
               {"Collatz", collatz},
               {"Sum", sum},
               {"Dot", dot},
               {"SpectralNorm", spectral_norm},
               {"Mandelbrot", mandelbrot},
               {"Sieve", sieve},
               {"MatMul", mat_mul},
               {"NQueens", n_queens},
               {"Fannkuch", fannkuch},
               {"NBody", n_body},
               {"BinaryTrees", binary_trees},
               {"Storage", storage},
               {"Graph", graph},
               {"IntMap", int_map},
               {"StringMap", string_map},
               {"StringBuild", string_build},
               {"Closures", closures},
               {"Iterators", iterators},
               {"Dispatch", dispatch},
               {"Parse", parse}};

int main(int argc, char **argv) {
    int iterations = argc > 2 ? atoi(argv[2]) : 1;
    i64 size = argc > 3 ? atoll(argv[3]) : 1;
    for (size_t k = 0; argc > 1 && k < sizeof kernels / sizeof *kernels; k++) {
        if (strcmp(argv[1], kernels[k].name) != 0) continue;
        for (int i = 0; i < iterations; i++) {
            struct timespec a, b;
            clock_gettime(CLOCK_MONOTONIC, &a);
            i64 result = kernels[k].run(size);
            clock_gettime(CLOCK_MONOTONIC, &b);
            i64 us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
            printf("%s: iterations=1 runtime: %lldus\n", argv[1], (long long)us);
            printf("%s: result: %lld\n", argv[1], (long long)result);
        }
        return 0;
    }
    fprintf(stderr, "error: NAME [ITERATIONS [SIZE]]\n");
    return 2;
}
