import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installBrowser } from './browser.js';

const browser = installBrowser({ hash: '#/job/a%2Fb/0?x=1' });
const { bytes, duration, number } = await import('../../web/core/text.js');
const { createStore } = await import('../../web/core/store.js');
const { go, link, route } = await import('../../web/core/router.js');

test('a duration has minutes and seconds, and hours if it is long', () => {
  assert.deepEqual([-1, 0, 59.4, 75, 3675].map(duration), [
    '0:00',
    '0:00',
    '0:59',
    '1:15',
    '1:01:15',
  ]);
});

test('bytes and numbers have the form of the locale', () => {
  assert.equal(bytes(999), '999 byte');
  assert.equal(bytes(1536), '1.5 kB');
  assert.equal(bytes(25_000_000), '25 MB');
  assert.equal(number(12345), '12,345');
});

test('a store calls its listeners only when the value changes', () => {
  const store = createStore(1);
  const seen = [];
  const unsubscribe = store.subscribe(() => seen.push(store.get()));

  for (const value of [1, 2, 2]) store.set(value);
  unsubscribe();
  store.set(3);

  assert.deepEqual(seen, [2]);
});

test('a link is read back as the same name and arguments', () => {
  assert.deepEqual(route.get().args, ['a/b', '0']);
  assert.equal(route.get().query.get('x'), '1');
  assert.equal(link('job', 'a/b', 0), '#/job/a%2Fb/0');

  location.hash = link('compare', 'x y', 'é');
  browser.dispatch('hashchange');
  assert.deepEqual([route.get().name, route.get().args], ['compare', ['x y', 'é']]);
  go('#/', true);
  assert.equal(route.get().name, '');
});
