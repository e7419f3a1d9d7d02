/** ‖a − b‖ against ‖a‖, piece by piece. */
export class Distance {
  #norm = 0;
  #error = 0;

  /** ‖a‖². */
  get norm(): number {
    return this.#norm;
  }

  add(a: Float64Array, b: Float64Array): void {
    for (let i = 0; i < a.length; i++) {
      this.#norm += a[i] * a[i];
      this.#error += (a[i] - b[i]) ** 2;
    }
  }

  /** @param more what rounding is relative to beside ‖a‖² */
  isWithin(tolerance: number, more = 0): boolean {
    return this.#error <= tolerance ** 2 * (this.#norm + more);
  }
}
