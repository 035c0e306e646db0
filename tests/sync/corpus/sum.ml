(* %% [markdown] *)
(* # Sums *)

(* %% *)
let sum = List.fold_left (+) 0

(* %% Print *)
let () = print_int (sum [1; 2; 3]); print_char '"'
