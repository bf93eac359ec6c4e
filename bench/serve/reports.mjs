// The server of examples/reports-server for Node with its own SQLite module: the same tables, the same statements, the same answers.
// `node reports.mjs` prints the port, then serves until it is killed.

import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";

const db = new DatabaseSync(":memory:");
db.exec(`
  create table cards(owner text primary key, card text);
  create table sessions(token text primary key, owner text);
  create table orders(owner text, day int, item text, cents int);
  create index by_owner on orders(owner, day);
`);

const card = db.prepare("insert into cards values (?, ?)");
const session = db.prepare("insert into sessions values (?, ?)");
const order = db.prepare("insert into orders values (?, ?, ?, ?)");
db.exec("begin");
for (let i = 0; i < 100; i++) {
  const name = i === 0 ? "ada" : i === 1 ? "eve" : `user${i}`;
  card.run(name, `card of ${name}`);
  session.run(`token-of-${name}`, name);
  for (let day = 0; day < 60; day++) {
    const item = ["tea", "paper", "lamp"][(day + i) % 3];
    order.run(name, day, item, i === 1 ? 990000 + day : ((day * 7 + i * 13) % 900) + 100);
  }
}
db.exec("commit");

const owner = db.prepare("select owner from sessions where token = ?");
const find = db.prepare(
  `select "day", "item", "cents" from "orders" where "owner" is ? and "day" >= ? order by "day" desc limit ?`,
);
const findItem = db.prepare(
  `select "day", "item", "cents" from "orders" where "owner" is ? and "day" >= ? and "item" is ? order by "day" desc limit ?`,
);
const count = db.prepare(`select count(*) as n from "orders" where "owner" is ?`);

function report(user, since, item) {
  const orders = item === null ? find.all(user, since, 20) : findItem.all(user, since, item, 20);
  let cents = 0;
  for (const o of orders) cents += o.cents;
  orders.sort((a, b) => b.cents - a.cents);
  return JSON.stringify({ owner: user, count: count.get(user).n, cents, largest: orders.slice(0, 3) });
}

const server = createServer((asked, reply) => {
  const end = (status, headers, body) => {
    reply.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
    reply.end(body);
  };
  const url = new URL(asked.url, "http://localhost");
  if (url.pathname !== "/report") return end(404, {}, "there is nothing here\n");
  if (asked.method !== "GET") return end(405, { allow: "GET, HEAD" }, "");
  const given = asked.headers.authorization;
  const row = given?.startsWith("Bearer ") ? owner.get(given.slice(7)) : undefined;
  if (row === undefined) return end(401, { "www-authenticate": "Bearer" }, "");
  const since = Number(url.searchParams.get("since") ?? "0");
  if (!Number.isInteger(since)) return end(400, {}, "`since` is a day\n");
  end(200, { "content-type": "application/json" }, report(row.owner, since, url.searchParams.get("item")));
});
server.listen(0, "127.0.0.1", () => console.log(`listening on port ${server.address().port}`));
