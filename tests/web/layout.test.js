import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installBrowser } from './browser.js';

installBrowser();
const { askedRatio, firstBelow, layout, move, ratiosOf } = await import('../../web/grid/wall.js');

const WIDTHS = [304, 736, 1408, 2528];
const GAP = 4;
/** Ratios that repeat only after 97 tiles. */
const tilesOf = (count) =>
  Array.from({ length: count }, (_, index) => ({
    key: index,
    ratio: 0.5 + ((index * 37) % 97) / 48.5,
  }));
const rowsOf = (boxes) =>
  [...new Set(boxes.map(({ y }) => y))].map((y) => boxes.filter((box) => box.y === y));

test('every row but the last fills the width, without an overlap', () => {
  for (const width of WIDTHS) {
    const { boxes, height } = layout(tilesOf(500), width, true);
    assert.equal(boxes.length, 500);
    const rows = rowsOf(boxes);
    let y = 0;
    for (const row of rows) {
      let x = 0;
      for (const box of row) {
        assert.equal(box.x, x);
        assert.equal(box.h, row[0].h);
        x += box.w + GAP;
      }
      assert.equal(row[0].y, y);
      if (row !== rows.at(-1)) assert.equal(x - GAP, width);
      else assert.ok(x - GAP <= width);
      y += row[0].h + GAP;
    }
    assert.equal(height, y);
  }
});

test('boxes keep the ratio of their images, but for the rounding to pixels', () => {
  for (const width of WIDTHS) {
    for (const { ratio, w, h } of layout(tilesOf(200), width, true).boxes) {
      assert.ok(Math.abs(w - ratio * h) <= 1 + ratio, `${w} × ${h} for ${ratio}`);
    }
  }
});

test('the height of rows grows with the width of the page, up to a limit', () => {
  const mean = (width) => {
    const rows = rowsOf(layout(tilesOf(500), width, true).boxes);
    return rows.reduce((sum, [{ h }]) => sum + h, 0) / rows.length;
  };
  const heights = WIDTHS.map(mean);
  for (const [index, target] of [150, 194, 261, 280].entries()) {
    assert.ok(Math.abs(heights[index] - target) < target * 0.15, `${heights}`);
  }
});

test('a row that is not full waits for the next page, so no tile moves', () => {
  const all = tilesOf(400);
  for (const width of WIDTHS) {
    const whole = layout(all, width, true).boxes;
    for (let count = 20; count < 400; count += 29) {
      const part = layout(all.slice(0, count), width, false).boxes;
      assert.deepEqual(part, whole.slice(0, part.length));
      assert.ok(count - part.length < 20);
    }
  }
});

test('the last row is not stretched', () => {
  const { boxes } = layout([{ ratio: 1 }], 1408, true);
  assert.deepEqual(boxes, [{ ratio: 1, x: 0, y: 0, w: 261, h: 261 }]);
});

test('no width and no tiles have no boxes', () => {
  assert.deepEqual(layout(tilesOf(3), 0, true), { boxes: [], height: 0 });
  assert.deepEqual(layout([], 1000, true), { boxes: [], height: 0 });
});

test('the first box below a line is found', () => {
  const { boxes, height } = layout(tilesOf(200), 1408, true);
  assert.equal(firstBelow(boxes, -100), 0);
  assert.equal(firstBelow(boxes, height), 200);
  const row = boxes.findIndex(({ y }) => y > 1000);
  assert.equal(firstBelow(boxes, boxes[row].y), row);
  assert.equal(
    firstBelow(boxes, boxes[row].y - GAP - 1),
    boxes.findIndex(({ y }) => y === boxes[row - 1].y),
  );
});

test('arrow keys move to the tile in their direction, and stop at the ends', () => {
  // Rows of 5, 5 and 2 squares.
  const { boxes } = layout(Array(12).fill({ ratio: 1 }), 1408, true);
  assert.deepEqual(
    rowsOf(boxes).map((row) => row.length),
    [5, 5, 2],
  );
  const moves = (key, ...from) => from.map((index) => move(boxes, index, key));
  assert.deepEqual(moves('ArrowRight', 0, 4, 11), [1, 5, 11]);
  assert.deepEqual(moves('ArrowLeft', 0, 5, 11), [0, 4, 10]);
  assert.deepEqual(moves('ArrowDown', 0, 4, 5, 9, 11), [5, 9, 10, 11, 11]);
  assert.deepEqual(moves('ArrowUp', 2, 5, 9, 11), [2, 0, 4, 6]);
  assert.deepEqual(moves('Home', 7), [0]);
  assert.deepEqual(moves('End', 7), [11]);
  assert.deepEqual(moves('Enter', 7), [undefined]);
});

test('a job without results has the ratio that its parameters ask for', () => {
  assert.equal(askedRatio({ aspect_ratio: '16:9' }), 16 / 9);
  assert.equal(askedRatio({ ratio: '1280:720' }), 16 / 9);
  assert.equal(askedRatio({ size: '1536x1024' }), 1.5);
  assert.equal(askedRatio({ width: 1024, height: 768 }), 4 / 3);
  // A tile that is too narrow or too flat has no space for its text.
  assert.equal(askedRatio({ aspect_ratio: '9:16' }), 0.8);
  assert.equal(askedRatio({ aspect_ratio: '21:9' }), 2);
  for (const parameters of [
    {},
    undefined,
    { aspect_ratio: 'match_input_image' },
    { width: 5 },
    { ratio: '0:0' },
    { width: 1, height: 0 },
  ]) {
    const ratio = askedRatio(parameters);
    assert.ok(ratio >= 0.8 && ratio <= 2, `${JSON.stringify(parameters)}: ${ratio}`);
  }
});

test('a completed job has one tile for each output, every other job has one', () => {
  const parameters = { aspect_ratio: '3:2' };
  const outputs = [
    { width: 1000, height: 500 },
    { width: 100, height: 1000 },
    { width: 0, height: 0 },
  ];
  const ended = { status: 'completed', finished_at: '2026-01-01T00:00:00Z', parameters, outputs };
  assert.deepEqual(ratiosOf(ended), [2, 0.5, 1]);
  assert.deepEqual(ratiosOf({ ...ended, outputs: [] }), [1.5]);
  // The first outputs of a running job are not tiles yet.
  assert.deepEqual(ratiosOf({ ...ended, status: 'processing', finished_at: null }), [1.5]);
});
