/** Zoom around a point that keeps its place, and keep the content within reach. Points count from the center.
 * `sizes`: width and height of the content, then of the stage. @type {ZoomAt} */
export function zoomAt(view, factor, point, sizes) {
  const scale = Math.max(1, Math.min(12, view.scale * factor));
  const place = (/** @type {number[]} */ ...[fixed, old, content, stage]) => {
    const room = Math.max(0, content * scale - stage) / 2;
    return Math.max(-room, Math.min(room, fixed - ((fixed - old) * scale) / view.scale));
  };
  return {
    scale,
    x: place(point.x, view.x, sizes[0], sizes[2]),
    y: place(point.y, view.y, sizes[1], sizes[3]),
  };
}

/** What a swipe asks for: the next output, the one before, or to close. @param {number} x @param {number} y */
export function swipe(x, y) {
  if (Math.abs(x) > 50 && Math.abs(x) > Math.abs(y)) return x < 0 ? 1 : -1;
  return y > 80 ? 'close' : 0;
}

/** Zoom, pan and swipe the first element of a stage. @param {any} stage @param {Fn} onSwipe */
export function gestures(stage, onSwipe) {
  let view = { scale: 1, x: 0, y: 0 };
  const fingers = new Map();
  let pointer = { x: 0, y: 0 };
  let start = pointer;
  let gesture = '';
  let spread = 0;

  const draw = ({ x, y, scale } = view) => {
    stage.firstElementChild.style.transform = `translate(${x}px,${y}px) scale(${scale})`;
    stage.classList.toggle('zoomed', scale > 1);
  };
  const zoom = (/** @type {number} */ factor, x = 0, y = 0) => {
    const { offsetWidth, offsetHeight } = stage.firstElementChild;
    const moved = { ...view, x: view.x + x, y: view.y + y };
    const { clientWidth, clientHeight } = stage;
    view = zoomAt(moved, factor, pointer, [offsetWidth, offsetHeight, clientWidth, clientHeight]);
    draw();
  };

  const listen = (/** @type {any} */ event) => {
    const { target, type, pointerId: id, clientX, clientY } = event;
    const { x, y, width, height } = stage.getBoundingClientRect();
    const old = fingers.get(id);
    pointer = { x: clientX - x - width / 2, y: clientY - y - height / 2 };
    const dx = pointer.x - start.x;
    const dy = pointer.y - start.y;
    if (type === 'wheel') {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 500)));
    } else if (type === 'pointerdown') {
      // The controls of a video are its lowest part.
      if (target.matches('video') && clientY > target.getBoundingClientRect().bottom - 80) return;
      if (!fingers.size) start = pointer;
      gesture = fingers.size ? 'pinch' : '';
      spread = 0;
      fingers.set(id, pointer);
    } else if (old && type === 'pointermove') {
      fingers.set(id, pointer);
      const [a, b] = fingers.values();
      if (b) {
        const last = spread;
        spread = Math.hypot(a.x - b.x, a.y - b.y);
        if (last) zoom(spread / last);
      } else if (!gesture && Math.hypot(dx, dy) > 8) {
        gesture = view.scale > 1 ? 'pan' : event.pointerType === 'mouse' ? 'none' : 'swipe';
        stage.setPointerCapture(id);
      }
      if (gesture === 'pan') zoom(1, pointer.x - old.x, pointer.y - old.y);
      if (gesture === 'swipe') draw({ x: dx, y: dy, scale: 1 });
    } else if (old) {
      fingers.delete(id);
      draw();
      if (type === 'pointerup' && gesture === 'swipe') onSwipe(swipe(dx, dy));
    }
  };
  for (const type of ['wheel', 'pointerdown', 'pointermove', 'pointerup', 'pointercancel']) {
    stage.addEventListener(type, listen);
  }
  return { zoom, zoomed: () => view.scale > 1 };
}
