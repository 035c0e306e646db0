;; %% [markdown]
;; # Words

;; %%
(defn words [text]
  (re-seq #"\w+" text)) ; it's lazy

;; %%
(println (frequencies (words "a b a")) \")
