(* The kernels that allocate, in OCaml: the same algorithms and results as jet/heap.jet. *)

(* A leaf is an object of two words as in the other languages, not an immediate. *)
type tree = Leaf of int * int | Node of tree * tree

let rec build depth =
  if depth = 0 then Leaf (depth, depth) else Node (build (depth - 1), build (depth - 1))

let rec check = function Leaf (_, _) -> 1 | Node (left, right) -> 1 + check left + check right

let binary_trees depth =
  let kept = build depth and total = ref 0 and d = ref 4 in
  while !d <= depth do
    for _ = 1 to 1 lsl (depth - !d + 4) do
      total := !total + check (build !d)
    done;
    d := !d + 2
  done;
  !total + check kept

type store = Items of int array | Parts of store array

let rec size_of = function
  | Items items -> Array.length items
  | Parts parts -> Array.fold_left (fun n part -> n + size_of part) 0 parts

let storage rounds =
  let total = ref 0 in
  for _ = 1 to rounds do
    let seed = ref 74755 and made = ref 0 in
    let rec grow depth =
      incr made;
      if depth = 1 then begin
        seed := ((!seed * 1309) + 13849) mod 65536;
        Items (Array.make ((!seed mod 10) + 1) 0)
      end
      else Parts (Array.init 4 (fun _ -> grow (depth - 1)))
    in
    let store = grow 7 in
    total := !total + !made + size_of store
  done;
  !total

type vertex = { mutable out : edge list; mutable into : edge list; mutable number : int }
and edge = { from : vertex; target : vertex }

let connect from target =
  let edge = { from; target } in
  from.out <- edge :: from.out;
  target.into <- edge :: target.into

let graph n =
  let by_id = Hashtbl.create 16 in
  let make i =
    let v = { out = []; into = []; number = -1 } in
    Hashtbl.replace by_id (i * 3) v;
    v
  in
  let all = Array.init n make in
  for i = 1 to n - 1 do
    connect all.((i - 1) lsr 1) all.(i);
    connect all.(i) (Hashtbl.find by_id (i * 7919 mod n * 3))
  done;
  let stack = Stack.create () and next = ref 0 in
  Stack.push all.(0) stack;
  while not (Stack.is_empty stack) do
    let v = Stack.pop stack in
    if v.number < 0 then begin
      v.number <- !next;
      incr next;
      (* Edges stand in the order in which they were made in the other languages. *)
      List.iter (fun e -> if e.target.number < 0 then Stack.push e.target stack) (List.rev v.out)
    end
  done;
  let count total v = total + (v.number mod 7 * List.length v.out) + List.length v.into in
  Array.fold_left count 0 all

let or_one = function Some v -> v | None -> 1

let int_map n =
  let map = Hashtbl.create 16 and total = ref 0 in
  for i = 0 to n - 1 do
    Hashtbl.replace map (i * 7919 mod 1000003) i
  done;
  for i = 0 to (2 * n) - 1 do
    total := !total + or_one (Hashtbl.find_opt map (i * 7919 mod 1000003))
  done;
  for i = 0 to n - 1 do
    let k = i mod 1000 in
    Hashtbl.replace map k (1 + Option.value (Hashtbl.find_opt map k) ~default:0)
  done;
  for i = 0 to 999 do
    total := !total + Hashtbl.find map i
  done;
  !total

let string_map n =
  let map = Hashtbl.create 16 in
  for i = 0 to n - 1 do
    Hashtbl.replace map ("key" ^ string_of_int (i * 7919 mod 100003)) i
  done;
  let total = ref (Hashtbl.length map) in
  for i = 0 to (2 * n) - 1 do
    total := !total + or_one (Hashtbl.find_opt map ("key" ^ string_of_int i))
  done;
  !total

let string_build n =
  let total = ref 0 in
  for round = 0 to 9 do
    let buffer = Buffer.create 16 in
    for i = 0 to n - 1 do
      Buffer.add_string buffer "item ";
      Buffer.add_string buffer (string_of_int (i + round));
      Buffer.add_char buffer ','
    done;
    let text = Buffer.contents buffer in
    String.iter (fun c -> if c = ',' then incr total) text;
    total := !total + String.length text
  done;
  !total

let kernels =
  [ ("BinaryTrees", binary_trees); ("Storage", storage); ("Graph", graph);
    ("IntMap", int_map); ("StringMap", string_map); ("StringBuild", string_build) ]

let () =
  let number at = if at < Array.length Sys.argv then int_of_string Sys.argv.(at) else 1 in
  let name = if Array.length Sys.argv > 1 then Sys.argv.(1) else "" in
  match List.assoc_opt name kernels with
  | None ->
      prerr_endline "error: NAME [ITERATIONS [SIZE]]";
      exit 2
  | Some kernel ->
      for _ = 1 to number 2 do
        let start = Unix.gettimeofday () in
        let result = kernel (number 3) in
        let us = int_of_float ((Unix.gettimeofday () -. start) *. 1e6) in
        Printf.printf "%s: iterations=1 runtime: %dus\n" name us;
        Printf.printf "%s: result: %d\n%!" name result
      done
