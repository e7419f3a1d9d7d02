import type { Place, Plot, Pointable, Pointed } from './pointed.js';
import { type Overlay, svgOf } from './shapes.js';
import type { Tip } from './tip.js';
import type { Views } from './views.js';

const ARROWS: Readonly<Record<string, readonly [dx: number, dy: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
/** Pixels that the mouse moves at least with its button down, to enlarge and not to pin. */
const DRAGGED = 5;
/** How much more or less is seen after one press of a key or turn of the wheel. */
export const LARGER = 0.5;
export const SMALLER = 2;

/** Lets mouse, finger and keys point at things in a chart, pin them and enlarge. */
export function followPointer(
  chart: HTMLElement,
  { left, top, width, height }: Plot,
  pointable: Pointable,
  { tip, views, overlay }: { tip: Tip; views: Views; overlay: Overlay },
): void {
  const svg = svgOf(chart);
  let last: Pointed | undefined;
  let pressed: Place | undefined;
  let dragged: Place | undefined;

  /** The chart's corner in the window, and how much the browser enlarges it. */
  function placement(): { left: number; top: number; zoom: number } {
    const { left, top, width } = chart.getBoundingClientRect();
    return { left, top, zoom: width / svg.viewBox.baseVal.width };
  }

  function placeOf({ clientX, clientY }: PointerEvent): Place {
    const { left, top, zoom } = placement();
    return { x: (clientX - left) / zoom, y: (clientY - top) / zoom };
  }

  function point(place: Place): void {
    last = pointable.at(place);
    const { left, top, zoom } = placement();
    views.point(last.pair);
    overlay.draw('cross', last.shapes);
    tip.show(last.words, left + last.x * zoom, top + last.y * zoom);
  }

  function hide(): void {
    views.point(null);
    overlay.draw('cross', []);
    tip.hide();
  }

  function stopDragging(): void {
    pressed = dragged = undefined;
    overlay.draw('brush', []);
  }

  function press(event: PointerEvent): void {
    const place = placeOf(event);
    point(place);
    if (event.button === 0) pressed = place;
  }

  function move(event: PointerEvent): void {
    const place = placeOf(event);
    const isDragging = pressed !== undefined && event.pointerType !== 'touch' && pointable.enlarge !== undefined;
    if (isDragging && (dragged !== undefined || distance(pressed!, place) > DRAGGED)) {
      if (dragged === undefined) chart.setPointerCapture(event.pointerId);
      dragged = place;
      brush(pressed!, place);
    }
    point(place);
  }

  function release(event: PointerEvent): void {
    const [start, end] = [pressed, dragged];
    stopDragging();
    if (start === undefined) return;
    if (end !== undefined) {
      pointable.enlarge?.(start, end);
      point(placeOf(event));
    } else pin();
  }

  function brush(start: Place, end: Place): void {
    const inside = ({ x, y }: Place) => ({
      x: Math.min(left + width, Math.max(left, x)),
      y: Math.min(top + height, Math.max(top, y)),
    });
    const [one, other] = [inside(start), inside(end)];
    const place = { x: Math.min(one.x, other.x), y: Math.min(one.y, other.y) };
    const size = { width: Math.abs(one.x - other.x), height: Math.abs(one.y - other.y) };
    overlay.draw('brush', [{ name: 'rect', attributes: { ...place, ...size } }]);
  }

  function followKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    const zoom = { '+': LARGER, '=': LARGER, '-': SMALLER }[event.key];
    if (arrow !== undefined) point(last?.next(...arrow) ?? firstPlace());
    else if (event.key === 'Escape') letGo();
    else if (event.key === 'Enter' || event.key === ' ') pin();
    else if (pointable.enlarge === undefined) return;
    else if (zoom !== undefined) enlarge(zoom);
    else if (event.key === '0') views.change({ region: null });
    else return;
    event.preventDefault();
  }

  function pin(): void {
    if (last?.pair != null) views.pin(last.pair);
  }

  function letGo(): void {
    if (pressed === undefined) hide();
    else stopDragging();
  }

  /** The cell that is pointed at stays so, wherever it comes to lie. */
  function enlarge(factor: number): void {
    views.point(last?.pair ?? null);
    views.zoom(factor);
    if (last !== undefined) point(last.next(0, 0));
  }

  function turn(event: WheelEvent): void {
    // Without the key the wheel is the page's. Two fingers on a touchpad come with it.
    if (!event.ctrlKey || pointable.enlarge === undefined) return;
    event.preventDefault();
    enlarge(event.deltaY < 0 ? LARGER : SMALLER);
  }

  const firstPlace = (): Place => ({ x: left, y: top });

  chart.addEventListener('pointermove', move);
  chart.addEventListener('pointerdown', press);
  chart.addEventListener('pointerup', release);
  chart.addEventListener('pointercancel', stopDragging);
  chart.addEventListener('pointerleave', hide);
  chart.addEventListener('keydown', followKey);
  chart.addEventListener('wheel', turn, { passive: false });
  chart.addEventListener('focus', () => {
    // A click focuses too, but points by itself.
    if (chart.matches(':focus-visible')) point(last ?? firstPlace());
  });
  chart.addEventListener('blur', hide);
  // Others point at two models: they are marked here too. Where the chart itself points, it has drawn already.
  views.onPoint((pair) => overlay.draw('cross', pair === null ? [] : pointable.mark(pair)));
  views.onChange(() => {
    const pair = views.pointed;
    overlay.draw('cross', pair === null ? [] : pointable.mark(pair));
  });
}

const distance = (one: Place, other: Place) => Math.hypot(one.x - other.x, one.y - other.y);
