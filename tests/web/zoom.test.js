import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gestures, swipe, zoomAt } from '../../web/view/zoom.js';

const FIT = { scale: 1, x: 0, y: 0 };
// An image of 400 × 300 in a stage of 500 × 300.
const SIZES = [400, 300, 500, 300];

/** Returns a stage that records its listeners, its content and what the user asks for. */
function makeStage() {
  const listeners = {};
  const style = {};
  const asked = [];
  const stage = {
    firstElementChild: { style, offsetWidth: SIZES[0], offsetHeight: SIZES[1] },
    clientWidth: SIZES[2],
    clientHeight: SIZES[3],
    classList: { toggle() {} },
    getBoundingClientRect: () => ({ x: 0, y: 0, width: SIZES[2], height: SIZES[3] }),
    setPointerCapture() {},
    addEventListener: (type, listener) => {
      listeners[type] = listener;
    },
  };
  const act = gestures(stage, (what) => asked.push(what));
  const send = (type, clientX, clientY, event = {}) =>
    listeners[type]({
      type,
      clientX,
      clientY,
      pointerId: 1,
      pointerType: 'touch',
      target: { matches: () => false },
      preventDefault() {},
      ...event,
    });
  return { act, asked, send, transform: () => style.transform };
}

test('the point under the pointer keeps its place while zooming', () => {
  const point = { x: 50, y: -30 };

  const view = zoomAt(FIT, 4, point, SIZES);

  assert.equal(view.scale, 4);
  const before = [point.x, point.y];
  const after = [point.x * view.scale + view.x, point.y * view.scale + view.y];
  assert.deepEqual(after, before);
});

test('the scale stays between the fitting size and twelve times of it', () => {
  assert.equal(zoomAt(FIT, 0.5, FIT, SIZES).scale, 1);
  assert.equal(zoomAt(FIT, 100, FIT, SIZES).scale, 12);
});

test('the content does not leave the stage', () => {
  const far = zoomAt({ scale: 2, x: 9999, y: -9999 }, 1, FIT, SIZES);
  assert.deepEqual(far, { scale: 2, x: 150, y: -150 });

  const fitted = zoomAt({ scale: 2, x: 150, y: 150 }, 0, FIT, SIZES);
  assert.deepEqual([fitted.scale, Math.abs(fitted.x), Math.abs(fitted.y)], [1, 0, 0]);
});

test('a swipe moves on, moves back or closes, and a short one does nothing', () => {
  assert.deepEqual(
    [swipe(-90, 20), swipe(90, -20), swipe(10, 120), swipe(10, -120), swipe(-20, 10)],
    [1, -1, 'close', 0, 0],
  );
});

test('a finger that crosses the stage asks for the next output', () => {
  const { asked, send, transform } = makeStage();

  send('pointerdown', 300, 150);
  send('pointermove', 200, 150);
  send('pointermove', 150, 155);
  assert.equal(transform(), 'translate(-150px,5px) scale(1)');
  send('pointerup', 150, 155);

  assert.deepEqual(asked, [1]);
  assert.equal(transform(), 'translate(0px,0px) scale(1)');
});

test('a mouse that drags asks for nothing', () => {
  const { asked, send } = makeStage();

  send('pointerdown', 300, 150, { pointerType: 'mouse' });
  send('pointermove', 100, 150, { pointerType: 'mouse' });
  send('pointerup', 100, 150, { pointerType: 'mouse' });

  assert.deepEqual(asked, []);
});

test('a canceled swipe asks for nothing', () => {
  const { asked, send } = makeStage();

  send('pointerdown', 300, 150);
  send('pointermove', 100, 150);
  send('pointercancel', 100, 150);

  assert.deepEqual(asked, []);
});

test('two fingers zoom by their distance, and do not swipe', () => {
  const { act, asked, send, transform } = makeStage();

  send('pointerdown', 240, 150);
  send('pointerdown', 260, 150, { pointerId: 2 });
  send('pointermove', 230, 150);
  send('pointermove', 270, 150, { pointerId: 2 });
  send('pointermove', 290, 150, { pointerId: 2 });
  send('pointerup', 290, 150, { pointerId: 2 });
  send('pointerup', 230, 150);

  assert.match(transform(), /scale\(2\)$/);
  assert.equal(act.zoomed(), true);
  assert.deepEqual(asked, []);
});

test('a drag moves a zoomed image instead of leaving it', () => {
  const { act, asked, send, transform } = makeStage();
  act.zoom(3);

  send('pointerdown', 300, 150);
  send('pointermove', 280, 150);
  send('pointermove', 240, 120);
  send('pointerup', 240, 120);

  assert.equal(transform(), 'translate(-60px,-30px) scale(3)');
  assert.deepEqual(asked, []);
});

test('the wheel zooms around the pointer', () => {
  const { send, transform } = makeStage();

  send('wheel', 350, 150, { deltaY: -500 * Math.LN2 });

  assert.equal(transform(), 'translate(-100px,0px) scale(2)');
});

test('the controls of a video start no gesture', () => {
  const { asked, send } = makeStage();
  const video = { matches: () => true, getBoundingClientRect: () => ({ bottom: 300 }) };

  send('pointerdown', 300, 260, { target: video });
  send('pointermove', 100, 260, { target: video });
  send('pointerup', 100, 260, { target: video });
  assert.deepEqual(asked, []);

  send('pointerdown', 300, 100, { target: video });
  send('pointermove', 100, 100, { target: video });
  send('pointerup', 100, 100, { target: video });
  assert.deepEqual(asked, [1]);
});
