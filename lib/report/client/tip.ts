/** Pixels between what is pointed at and the box. */
const GAP = 16;
/** Pixels that the box keeps from the upper and the left edge of the window. */
const MARGIN = 4;

/** The box that tells what is pointed at. It keeps within the window. */
export class Tip {
  readonly #element: HTMLElement;

  constructor() {
    this.#element = document.createElement('div');
    this.#element.className = 'tip';
    this.#element.hidden = true;
    // What keys lead to is read out.
    this.#element.setAttribute('role', 'status');
    document.querySelector('main')!.append(this.#element);
  }

  /** Shows words beside a place in the window. */
  show(words: string, x: number, y: number): void {
    this.#element.textContent = words;
    this.#element.hidden = false;
    const { width, height } = this.#element.getBoundingClientRect();
    this.#element.style.transform = `translate(${beside(x, width, innerWidth)}px,${beside(y, height, innerHeight)}px)`;
  }

  hide(): void {
    this.#element.hidden = true;
  }
}

/** Where something of this size begins: behind the place, or before it where there is no room behind. */
function beside(place: number, size: number, room: number): number {
  return Math.max(MARGIN, place + GAP + size > room ? place - GAP - size : place + GAP);
}
