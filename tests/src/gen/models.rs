//! What the functions of the library compute, written again: no code is shared with the compiler or the machine.

use super::value::{
    Res, Stop, Val, World, float_of, int_of, items_of, list_val, show, str_val, text_of,
};
use std::rc::Rc;

fn ints(v: &Val) -> Vec<i64> {
    items_of(v).iter().map(int_of).collect()
}

fn texts(v: &Val) -> Vec<Rc<str>> {
    items_of(v).iter().map(text_of).collect()
}

fn int_list(xs: impl IntoIterator<Item = i64>) -> Val {
    list_val(xs.into_iter().map(Val::Int).collect())
}

fn text_list<S: AsRef<str>>(xs: impl IntoIterator<Item = S>) -> Val {
    list_val(xs.into_iter().map(|s| str_val(s.as_ref())).collect())
}

fn overflow<T>(x: Option<T>) -> Res<T> {
    x.ok_or(Stop::Trap("overflow"))
}

/// A function of the library.
pub fn sorted_keys(_: &mut World, a: &[Val]) -> Res<Val> {
    let mut xs: Vec<i64> = ints(&a[0]).into_iter().take(40).collect();
    xs.sort_unstable();
    Ok(int_list(xs))
}

#[derive(Clone, PartialEq)]
enum Term {
    Num(i64),
    Add(Box<Term>, Box<Term>),
    Mul(Box<Term>, Box<Term>),
    Neg(Box<Term>),
}

fn term(xs: &[i64]) -> Term {
    match xs {
        [] => Term::Num(1),
        [x] => Term::Num(*x),
        [x, y] => Term::Add(Box::new(Term::Num(*x)), Box::new(Term::Num(*y))),
        [x, rest @ ..] if x % 2 == 0 => Term::Mul(Box::new(Term::Num(*x)), Box::new(term(rest))),
        [x, .., y] => Term::Neg(Box::new(Term::Add(
            Box::new(Term::Num(*x)),
            Box::new(term(&[*y, x / 2])),
        ))),
    }
}

fn value_of(t: &Term) -> i64 {
    match t {
        Term::Num(n) => *n,
        Term::Add(a, b) => value_of(a).wrapping_add(value_of(b)),
        Term::Mul(a, b) => value_of(a).wrapping_mul(value_of(b)),
        Term::Neg(a) => 0i64.wrapping_sub(value_of(a)),
    }
}

fn term_show(t: &Term) -> String {
    match t {
        Term::Num(n) => format!("Term.Num({n})"),
        Term::Add(a, b) => format!("Term.Add({}, {})", term_show(a), term_show(b)),
        Term::Mul(a, b) => format!("Term.Mul({}, {})", term_show(a), term_show(b)),
        Term::Neg(a) => format!("Term.Neg({})", term_show(a)),
    }
}

/// A function of the library.
pub fn term_text(_: &mut World, a: &[Val]) -> Res<Val> {
    let xs: Vec<i64> = ints(&a[0]).into_iter().take(12).collect();
    let t = term(&xs);
    let small = match &t {
        Term::Num(n) => (-9..=9).contains(n),
        Term::Neg(inner) => matches!(**inner, Term::Num(n) if n < 10),
        _ => false,
    };
    Ok(str_val(&format!(
        "{} = {} true {small}",
        term_show(&t),
        value_of(&t)
    )))
}

/// A function of the library.
pub fn countdown(_: &mut World, a: &[Val]) -> Res<Val> {
    let (mut left, by) = (int_of(&a[0]) & 31, (int_of(&a[1]) & 3) + 1);
    let mut out = Vec::new();
    'outer: while left > 0 {
        left -= by;
        let x = left;
        for y in 0..x {
            if y == 5 {
                continue 'outer;
            }
            if y == 3 {
                continue;
            }
            if y * x > 60 {
                break 'outer;
            }
            if y > 6 {
                break;
            }
        }
        out.push(x);
    }
    let mut n = int_of(&a[1]) & 7;
    'down: loop {
        n -= 1;
        let mut k = 0;
        while k < 3 {
            k += 1;
            if n == k {
                continue 'down;
            }
            if n < 0 {
                break 'down;
            }
            if n == 4 {
                continue;
            }
            if n == 6 {
                break;
            }
            out.push(n * 10 + k);
        }
    }
    Ok(int_list(out))
}

/// A function of the library.
pub fn caseless(_: &mut World, a: &[Val]) -> Res<Val> {
    let words = texts(&a[0]);
    let mut counts: Vec<(Rc<str>, i64)> = Vec::new();
    for w in &words {
        let low = w.to_lowercase();
        match counts.iter_mut().find(|c| c.0.to_lowercase() == low) {
            Some(c) => c.1 += 1,
            None => counts.push((w.clone(), 1)),
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for w in &words {
        let up = w.to_uppercase();
        if !seen.iter().any(|s| s.to_lowercase() == up.to_lowercase()) {
            seen.push(up);
        }
    }
    seen.sort_by_key(|s| s.to_lowercase());
    let entries: Vec<String> = counts.iter().map(|(w, n)| format!("~{w}: {n}")).collect();
    let sorted: Vec<String> = seen.iter().map(|s| format!("~{s}")).collect();
    super::core::short(format!(
        "{{{}}} true [{}] true",
        entries.join(", "),
        sorted.join(", ")
    ))
}

/// A function of the library.
pub fn deferred_steps(_: &mut World, a: &[Val]) -> Res<Val> {
    let n = int_of(&a[0]);
    let mut log = Vec::new();
    let mut end: Option<Result<i64, i64>> = None;
    for i in 0..n & 7 {
        if i == 3 {
            log.push(10 + i);
            break;
        }
        if i == 1 {
            log.push(10 + i);
            continue;
        }
        if n % 5 == 4 {
            log.push(10 + i);
            end = Some(Err(i));
            break;
        }
        log.push(20 + i);
        log.push(10 + i);
    }
    let end = end.unwrap_or_else(|| {
        let end = if n % 3 == 1 {
            Ok(n)
        } else if n % 7 == 3 {
            Err(-1)
        } else {
            Ok(log.len() as i64)
        };
        log.push(2);
        log.push(3);
        end
    });
    log.push(1);
    log.push(match end {
        Ok(v) => v,
        Err(-1) => -100,
        Err(i) => -1 - i,
    });
    Ok(int_list(log))
}

fn score(xs: &[i64]) -> i64 {
    xs.iter().fold(0i64, |sum, x| {
        sum.wrapping_mul(3)
            .wrapping_add(x.wrapping_mul(31).wrapping_add(7))
    })
}

/// A function of the library.
pub fn ranks(_: &mut World, a: &[Val]) -> Res<Val> {
    let (list, text) = (score(&ints(&a[0])), text_of(&a[1]).len() as i64);
    let seven = 7 * 31 + 7;
    super::core::short(format!(
        "#{},#{},#{} <{list}> {} score {text} !{} {} {}",
        text % 100,
        list % 100,
        seven % 100,
        text ^ 1,
        list % 100,
        text ^ 1,
        text % 100
    ))
}

/// A function of the library.
pub fn sources(_: &mut World, a: &[Val]) -> Res<Val> {
    let mut xs = ints(&a[0]);
    if xs.is_empty() {
        xs.push(int_of(&a[1]));
    }
    let mut at = 0;
    let mut pull = || {
        at += 1;
        xs[at % xs.len()]
    };
    let mut n = int_of(&a[1]) & 15;
    let first: Vec<Val> = (0..3).map(|_| Val::Int(pull())).collect();
    let mut out = format!("{}{}", show(&list_val(first)), pull());
    out += &format!("[{}, {}]{}", n + 1, n + 2, n + 3);
    n += 3;
    out += &format!("[\"n{n}\", \"n{n}\"]n{n}");
    let all = [pull(), n + 1, 1];
    out += &show(&int_list(all));
    Ok(str_val(&out))
}

/// A function of the library.
pub fn totals(_: &mut World, a: &[Val]) -> Res<Val> {
    let (xs, ss) = (ints(&a[0]), texts(&a[1]));
    let mut sum = 0i64;
    let mut text = String::new();
    for (x, s) in xs.iter().zip(&ss).take(20) {
        sum = sum.wrapping_add(*x);
        text += s;
    }
    Ok(Val::Tuple(Rc::new(vec![
        Val::Int(sum),
        super::core::short(text)?,
    ])))
}

/// A function of the library.
pub fn built(_: &mut World, a: &[Val]) -> Res<Val> {
    let Val::Char(c) = a[1] else {
        return Err(Stop::TooLong);
    };
    let most = (int_of(&a[2]) & 7) as usize;
    let mut out = String::new();
    for x in texts(&a[0]).iter().take(most + 1) {
        out += x;
        out.push(c);
    }
    super::core::short(format!("{}:{out}", out.len()))
}

/// A function of the library.
pub fn matrix(_: &mut World, a: &[Val]) -> Res<Val> {
    let (size, k) = ((int_of(&a[0]) & 3) + 2, int_of(&a[1]) & 15);
    let at = |i: i64, j: i64| ((i * 7 + j * 3 + k) % 11) as f64 / 4.0;
    let mut total = 0.0;
    for i in 0..size {
        let mut row = 0.0;
        for j in 0..size {
            let mut sum = 0.0;
            for k in 0..size {
                sum += at(i, k) * at(k, j);
            }
            row += sum - 0.5;
        }
        total += row;
    }
    Ok(Val::Float(total))
}

/// A function of the library.
pub fn sieve(_: &mut World, a: &[Val]) -> Res<Val> {
    let size = int_of(&a[0]) & 63;
    Ok(int_list((2..size).filter(|n| (2..*n).all(|d| n % d != 0))))
}

/// A function of the library.
pub fn checksum(_: &mut World, a: &[Val]) -> Res<Val> {
    let mut bytes = text_of(&a[0]).as_bytes().to_vec();
    let sum = bytes
        .iter()
        .fold(0i64, |sum, b| (sum * 31 + i64::from(*b)) & 0xffff);
    bytes.push((sum & 255) as u8);
    bytes.reverse();
    let text = String::from_utf8(bytes.clone()).unwrap_or_else(|_| "no".into());
    Ok(Val::Byte(if text == "no" {
        bytes[0]
    } else {
        (text.len() & 255) as u8
    }))
}

/// A function of the library.
pub fn algebra(_: &mut World, a: &[Val]) -> Res<Val> {
    let set = |v: &Val| {
        let mut out: Vec<i64> = Vec::new();
        for n in ints(v) {
            if !out.contains(&(n & 15)) {
                out.push(n & 15);
            }
        }
        out
    };
    let (x, y) = (set(&a[0]), set(&a[1]));
    let mut union = x.clone();
    union.extend(y.iter().filter(|n| !x.contains(n)));
    let both = x.iter().filter(|n| y.contains(n)).copied();
    let only = || x.iter().filter(|n| !y.contains(n)).copied();
    Ok(list_val(vec![
        int_list(union),
        int_list(both),
        int_list(only()),
        int_list(only().filter(|n| n % 2 == 0)),
    ]))
}

/// A function of the library.
pub fn sorting(_: &mut World, a: &[Val]) -> Res<Val> {
    let mut xs: Vec<Rc<str>> = texts(&a[0]).into_iter().take(30).collect();
    let mut ys = xs.clone();
    xs.sort_by_key(|s| s.len());
    ys.sort_by(|p, q| {
        q.len()
            .cmp(&p.len())
            .then(p.as_bytes().cmp(q.as_bytes()).reverse())
    });
    xs.extend(ys);
    Ok(text_list(xs))
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        let r = if y == -1 { 0 } else { x % y };
        x = y;
        y = r;
    }
    x.wrapping_abs()
}

/// A function of the library.
pub fn arith(_: &mut World, a: &[Val]) -> Res<Val> {
    let (a, b) = (int_of(&a[0]), int_of(&a[1]));
    let odd = b | 1;
    let (p, q) = (a % 1000, b % 1000);
    let lcm = if p == 0 || q == 0 {
        0
    } else {
        (p / gcd(p, q) * q).abs()
    };
    let half = a >> 1;
    let floor = |x: i64, y: i64| {
        let q = overflow(x.checked_div(y))?;
        Ok::<i64, Stop>(if x.wrapping_rem(y) != 0 && (x < 0) != (y < 0) {
            q - 1
        } else {
            q
        })
    };
    let r = if odd == -1 { 0 } else { a % odd };
    let rest = if r != 0 && (r < 0) != (odd < 0) {
        r + odd
    } else {
        r
    };
    let mut power = 1i64;
    for _ in 0..b & 63 {
        power = power * a.rem_euclid(1009) % 1009;
    }
    Ok(int_list([
        gcd(a >> 1, b >> 1),
        lcm,
        floor(half, odd)?,
        rest,
        a.clamp(-5, 5),
        power,
    ]))
}

/// A function of the library.
pub fn waves(_: &mut World, a: &[Val]) -> Res<Val> {
    let x = float_of(&a[0]);
    let hypot = {
        let (p, q) = (x.abs().max(3.0), x.abs().min(3.0));
        // `max` of the language takes the first of two values that do not compare.
        let (p, q) = if x.is_nan() {
            (x.abs(), x.abs())
        } else {
            (p, q)
        };
        if p == 0.0 || !p.is_finite() {
            p
        } else {
            let r = q / p;
            p * (1.0 + r * r).sqrt()
        }
    };
    let all = [
        x.sin(),
        x.cos(),
        x.tan(),
        x.atan(),
        x.exp(),
        x.ln(),
        x.log2(),
        x.log10(),
        hypot,
        x.sqrt(),
        x.atan2(2.0),
        x.asin(),
        x.acos(),
        x.floor(),
        x.ceil(),
        x.round(),
        x.trunc(),
        x * std::f64::consts::PI + std::f64::consts::E,
    ];
    Ok(int_list(
        all.iter()
            .map(|v| if v.is_nan() { 0 } else { v.to_bits() as i64 }),
    ))
}

struct Rolls([u64; 4]);

impl Rolls {
    fn new(seed: i64) -> Rolls {
        let mix = |n: u64| {
            let mut z =
                (seed as u64).wrapping_add(n.wrapping_mul((-7_046_029_254_386_353_131i64) as u64));
            z = (z ^ (z >> 30)).wrapping_mul((-4_658_895_280_553_007_687i64) as u64);
            z = (z ^ (z >> 27)).wrapping_mul((-7_723_592_293_110_705_685i64) as u64);
            z ^ (z >> 31)
        };
        Rolls([mix(1), mix(2), mix(3), mix(4)])
    }

    fn next(&mut self) -> i64 {
        let s = &mut self.0;
        let out = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out as i64
    }

    fn below(&mut self, n: i64) -> i64 {
        let mask = if n <= 1 {
            0
        } else {
            u64::MAX >> ((n - 1) as u64).leading_zeros()
        };
        loop {
            let x = ((self.next() as u64) >> 1) & mask;
            if (x as i64) < n {
                return x as i64;
            }
        }
    }

    fn float(&mut self) -> f64 {
        ((self.next() as u64) >> 11) as f64 / 9_007_199_254_740_992.0
    }
}

/// A function of the library.
pub fn rolls(_: &mut World, a: &[Val]) -> Res<Val> {
    let mut r = Rolls::new(int_of(&a[0]));
    let list = ints(&a[1]);
    let mut out = vec![r.below(100), 1 + r.below(7) * 7, r.next()];
    out.push(if list.is_empty() {
        -1
    } else {
        list[r.below(list.len() as i64) as usize]
    });
    let mut xs: Vec<i64> = list.iter().take(12).copied().collect();
    for i in (1..xs.len()).rev() {
        let j = r.below(i as i64 + 1) as usize;
        xs.swap(i, j);
    }
    out.extend(&xs);
    let mut ys: Vec<i64> = list.iter().take(9).copied().collect();
    let count = ys.len().min(3);
    for i in 0..count {
        let j = i + r.below((ys.len() - i) as i64) as usize;
        ys.swap(i, j);
    }
    out.extend(&ys[..count]);
    let bits = r.next() as u64;
    out.extend((0..3).map(|i| (bits >> (8 * i) & 255) as i64));
    let mut fork = Rolls::new(r.next());
    out.push(fork.below(10));
    out.push((r.float() * 1000.0) as i64);
    if r.float() < 0.5 {
        let normal = loop {
            let x = 2.0 * r.float() - 1.0;
            let y = 2.0 * r.float() - 1.0;
            let s = x * x + y * y;
            if s < 1.0 && s > 0.0 {
                break x * (-2.0 * s.ln() / s).sqrt();
            }
        };
        out.push(normal.to_bits() as i64);
    }
    Ok(int_list(out))
}

fn title(s: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in s.chars() {
        let word = c.is_alphabetic() || c.is_ascii_digit() || (inside && matches!(c, '\'' | '’'));
        if word && inside {
            out.extend(c.to_lowercase());
        } else if word {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        inside = word;
    }
    out
}

fn wrap(s: &str, width: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut line: Vec<&str> = Vec::new();
    let mut used = 0;
    for l in s.lines() {
        let words: Vec<&str> = l.split_whitespace().collect();
        if words.is_empty() && used > 0 {
            out.push(line.join(" "));
            out.push(String::new());
            line.clear();
            used = 0;
        }
        for word in words {
            let n = word.chars().count();
            if used > 0 && used + 1 + n > width {
                out.push(line.join(" "));
                line.clear();
                used = 0;
            }
            used += if used > 0 { n + 1 } else { n };
            line.push(word);
        }
    }
    if used > 0 {
        out.push(line.join(" "));
    }
    out
}

fn dedent(s: &str) -> String {
    let lines: Vec<&str> = s.split('\n').collect();
    let mut shared: Option<&str> = None;
    for l in &lines {
        if !l.trim().is_empty() {
            let margin = &l[..l.len() - l.trim_start().len()];
            shared = Some(match shared {
                None => margin,
                Some(m) => common_prefix(m, margin),
            });
        }
    }
    let n = shared.map_or(0, str::len);
    let out: Vec<&str> = lines
        .iter()
        .map(|l| if l.trim().is_empty() { "" } else { &l[n..] })
        .collect();
    out.join("\n")
}

fn common_prefix<'s>(a: &'s str, b: &str) -> &'s str {
    let n = a
        .chars()
        .zip(b.chars())
        .take_while(|(x, y)| x == y)
        .map(|(x, _)| x.len_utf8())
        .sum();
    &a[..n]
}

fn distance(a: &str, b: &str) -> usize {
    let ys: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=ys.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in ys.iter().enumerate() {
            let cost = usize::from(x != *y);
            next.push((row[j] + cost).min(row[j + 1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row[ys.len()]
}

/// A function of the library.
pub fn wording(_: &mut World, a: &[Val]) -> Res<Val> {
    let s = text_of(&a[0]);
    let n = (int_of(&a[1]) & 15) as usize;
    let length = s.chars().count();
    let missing = n.saturating_sub(length);
    let take = |k: usize| s.chars().take(k).collect::<String>();
    let skip = |k: usize| s.chars().skip(k).collect::<String>();
    let mut out = vec![
        format!("{}{s}", " ".repeat(missing)),
        format!("{s}{}", "*".repeat(missing)),
        format!(
            "{}{s}{}",
            "-".repeat(missing / 2),
            "-".repeat(missing - missing / 2)
        ),
        if length <= n + 1 {
            s.to_string()
        } else {
            take(n) + "…"
        },
        take(n),
        skip(n),
        s.chars().rev().collect(),
        take(1).to_uppercase() + &skip(1),
        title(&s),
        s.split('\n')
            .map(|l| {
                if l.is_empty() {
                    String::new()
                } else {
                    format!("> {l}")
                }
            })
            .collect::<Vec<_>>()
            .join("\n"),
        dedent(&s),
    ];
    if let Some((p, q)) = s.split_once(',') {
        out.extend([p.to_string(), q.to_string()]);
    }
    if let Some((p, q)) = s.rsplit_once('=') {
        out.extend([p.to_string(), q.to_string()]);
    }
    out.extend(s.splitn(2, ' ').map(String::from));
    out.push(s.strip_prefix('a').unwrap_or("-").to_string());
    out.push(s.strip_suffix('z').unwrap_or("-").to_string());
    out.push(common_prefix(&s, "jet").to_string());
    out.extend(wrap(&s, n + 1));
    out.push(format!(
        "{length} {} {} {}",
        s.matches('a').count(),
        s.is_ascii(),
        s.trim().is_empty()
    ));
    out.push(distance(&take(12), "jets").to_string());
    if out.iter().map(String::len).sum::<usize>() > 20_000 {
        return Err(Stop::TooLong);
    }
    Ok(text_list(out))
}

/// A function of the library.
pub fn either(_: &mut World, a: &[Val]) -> Res<Val> {
    let (n, t) = (int_of(&a[0]), text_of(&a[1]));
    let quoted = super::value::show_inner(&a[1]);
    let (low, high) = if 3 < n { (3, n) } else { (n, 3) };
    let (first, last) = if "m".as_bytes() < t.as_bytes() {
        ("m", &*t)
    } else {
        (&*t, "m")
    };
    let wide = format!("{first}..{last}").repeat((n & 1) as usize);
    Ok(text_list([
        format!("left {n}"),
        format!("both {n} {t}"),
        format!("right {t}"),
        format!("[Some({n}), Some({n}), None]"),
        format!("(Some({n}), Some({quoted})) false Sorted(low = {low}, high = {high}) {wide}{n}"),
        format!("Ok({})", n ^ 1),
        "0.5..1.53".to_string(),
    ]))
}

/// A function of the library.
pub fn lazy(_: &mut World, a: &[Val]) -> Res<Val> {
    let xs = ints(&a[0]);
    let mut left = int_of(&a[1]) & 7;
    let mut out = Vec::new();
    while left != 0 {
        left -= 1;
        let x = left + 2;
        out.push(x);
        if x == 4 {
            left -= 1;
        }
    }
    out.extend(xs.iter().map(|x| x % 100));
    out.extend([0, 1, 2]);
    out.push(out.iter().sum());
    out.push(xs.len() as i64);
    Ok(int_list(out))
}

/// A function of the library.
pub fn parsed(_: &mut World, a: &[Val]) -> Res<Val> {
    let quoted = super::json::write(&a[0]);
    // What follows a text is told by its first character.
    let column = quoted.chars().count() + 1;
    super::core::short(format!(
        "true true a bool,null,text,a number,a number,a list line 1, column {column}: expected the end, found `\"` Some(true) Some(7) true true false [1,-2,30] name+pips 16"
    ))
}

/// A function of the library.
pub fn routed(w: &mut World, a: &[Val]) -> Res<Val> {
    let n = int_of(&a[1]) & 1023;
    w.write("asked for /\n")?;
    let plain = str_val(&format!("/plain{}", text_of(&a[0])));
    super::core::short(format!(
        "[Some(\"hello\"), Some(\"/time {n}\"), Some({}), None] hello /time {n}",
        super::value::show_inner(&plain)
    ))
}
