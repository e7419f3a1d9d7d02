;; The products of one packed panel with several (kernel.ts says what panels are), two sums to a register. Every sum is
;; taken over the depth in its order, each product rounded before it is added: the bits are those of kernel.ts. Four rows of
;; four sums, two parts of a row of B and one element of A take eleven of the sixteen registers that x86-64 has; with six
;; rows they no longer fit, and it runs at two thirds of the rate.
(module
  (import "workspace" "memory" (memory 0))

  ;; c[i, j of panel n] += Σ_p a[p, i] · b_n[p, j], i and j < 4. Addresses, `stride` from row to row of a tile and `step`
  ;; from tile to tile are in bytes.
  (func (export "products")
    (param $depth i32) (param $a i32) (param $b i32) (param $panels i32)
    (param $c i32) (param $stride i32) (param $step i32)
    (local $panel i32) (local $at i32) (local $to i32)
    (local $b0 v128) (local $b1 v128) (local $x v128)
    (local $c00 v128) (local $c01 v128) (local $c10 v128) (local $c11 v128)
    (local $c20 v128) (local $c21 v128) (local $c30 v128) (local $c31 v128)
    (local.set $panel (i32.shl (local.get $depth) (i32.const 5)))
    (block $done
      (br_if $done (i32.eqz (local.get $depth)))
      (loop $tiles
        (br_if $done (i32.eqz (local.get $panels)))
        (local.set $panels (i32.sub (local.get $panels) (i32.const 1)))
        (local.set $c00 (v128.const i64x2 0 0))
        (local.set $c01 (v128.const i64x2 0 0))
        (local.set $c10 (v128.const i64x2 0 0))
        (local.set $c11 (v128.const i64x2 0 0))
        (local.set $c20 (v128.const i64x2 0 0))
        (local.set $c21 (v128.const i64x2 0 0))
        (local.set $c30 (v128.const i64x2 0 0))
        (local.set $c31 (v128.const i64x2 0 0))
        (local.set $at (i32.const 0))
        (loop $sum
          (local.set $b0 (v128.load (local.get $b)))
          (local.set $b1 (v128.load offset=16 (local.get $b)))
          (local.set $b (i32.add (local.get $b) (i32.const 32)))
          (local.set $to (i32.add (local.get $a) (local.get $at)))

          (local.set $x (v128.load64_splat (local.get $to)))
          (local.set $c00 (f64x2.add (local.get $c00) (f64x2.mul (local.get $x) (local.get $b0))))
          (local.set $c01 (f64x2.add (local.get $c01) (f64x2.mul (local.get $x) (local.get $b1))))
          (local.set $x (v128.load64_splat offset=8 (local.get $to)))
          (local.set $c10 (f64x2.add (local.get $c10) (f64x2.mul (local.get $x) (local.get $b0))))
          (local.set $c11 (f64x2.add (local.get $c11) (f64x2.mul (local.get $x) (local.get $b1))))
          (local.set $x (v128.load64_splat offset=16 (local.get $to)))
          (local.set $c20 (f64x2.add (local.get $c20) (f64x2.mul (local.get $x) (local.get $b0))))
          (local.set $c21 (f64x2.add (local.get $c21) (f64x2.mul (local.get $x) (local.get $b1))))
          (local.set $x (v128.load64_splat offset=24 (local.get $to)))
          (local.set $c30 (f64x2.add (local.get $c30) (f64x2.mul (local.get $x) (local.get $b0))))
          (local.set $c31 (f64x2.add (local.get $c31) (f64x2.mul (local.get $x) (local.get $b1))))

          (br_if $sum (i32.lt_u
            (local.tee $at (i32.add (local.get $at) (i32.const 32)))
            (local.get $panel))))

        (local.set $to (local.get $c))
        (v128.store (local.get $to) (f64x2.add (v128.load (local.get $to)) (local.get $c00)))
        (v128.store offset=16 (local.get $to) (f64x2.add (v128.load offset=16 (local.get $to)) (local.get $c01)))
        (local.set $to (i32.add (local.get $to) (local.get $stride)))
        (v128.store (local.get $to) (f64x2.add (v128.load (local.get $to)) (local.get $c10)))
        (v128.store offset=16 (local.get $to) (f64x2.add (v128.load offset=16 (local.get $to)) (local.get $c11)))
        (local.set $to (i32.add (local.get $to) (local.get $stride)))
        (v128.store (local.get $to) (f64x2.add (v128.load (local.get $to)) (local.get $c20)))
        (v128.store offset=16 (local.get $to) (f64x2.add (v128.load offset=16 (local.get $to)) (local.get $c21)))
        (local.set $to (i32.add (local.get $to) (local.get $stride)))
        (v128.store (local.get $to) (f64x2.add (v128.load (local.get $to)) (local.get $c30)))
        (v128.store offset=16 (local.get $to) (f64x2.add (v128.load offset=16 (local.get $to)) (local.get $c31)))
        (local.set $c (i32.add (local.get $c) (local.get $step)))
        (br $tiles)))))
