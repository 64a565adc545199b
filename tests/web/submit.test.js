import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { installBrowser } from './browser.js';

const browser = installBrowser();
const stored = {};
const storage = {
  getItem: (key) => stored[key] ?? null,
  setItem: (key, value) => {
    stored[key] = String(value);
  },
  removeItem: (key) => delete stored[key],
};
/** An object whose own keys are those that are stored, as localStorage is. */
globalThis.localStorage = new Proxy(stored, {
  get: (target, key) => storage[key] ?? target[key],
});
const drafts = new Map();
globalThis.sessionStorage = { setItem: (key, value) => drafts.set(key, JSON.parse(value)) };

/** Locks of one origin: each name is held by one function at a time. */
const held = new Map();
navigator.locks = {
  request(name, run) {
    const ended = (held.get(name) ?? Promise.resolve()).then(run);
    held.set(
      name,
      ended.catch(() => {}),
    );
    return ended;
  },
};
const api = await import('../../web/core/api.js');
const { session } = api;
const { list, pending } = await import('../../web/core/jobs.js');
const { discard, edit, resumePending, retry, submit } = await import('../../web/make/submit.js');

const PREFIX = 'darkroom.submit.';
const BODY = { template: 'flux-schnell', parameters: { prompt: 'a "dawn" 😀' } };
const JOB = { id: 'job-1', status: 'pending', outputs: [], template: { code: 'flux-schnell' } };
let responses = [];
let sent = [];
globalThis.fetch = async (url, options) => {
  if (url === '/config.json') return Response.json({ api: '' });
  sent.push({ url, body: options.body, key: options.headers?.['Idempotency-Key'] });
  const next = responses.shift();
  if (next === undefined) throw TypeError('no network');
  return Response.json(next.body, { status: next.status, headers: next.headers });
};
const accept = { status: 202, body: JOB };
const refusal = (status, headers = {}, errors = []) => ({
  status,
  body: { title: 'No', detail: `Refused by ${status}.`, errors },
  headers,
});
/** Let every promise that can go on go on. */
const settle = async () => {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const wait = async (seconds) => {
  mock.timers.tick(seconds * 1000);
  await settle();
};
const stories = () => Object.keys(stored).filter((key) => key.startsWith(PREFIX));

await api.loadConfig();
beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2026-11-30T12:00:00Z') });
  for (const key of stories()) delete stored[key];
  session.set({ user: 'ann', name: 'ann', token: 't', admin: false });
  pending.set([]);
  list.set({ ids: [], cursor: null, loading: false, ended: false, error: null });
  [responses, sent] = [[], []];
});
afterEach(() => mock.timers.reset());

test('a job is stored and shown before it is sent, and inserted when it is accepted', async () => {
  responses = [accept];
  submit(BODY);

  const [key] = stories();
  assert.equal(sent.length, 0);
  assert.deepEqual(pending.get()[0].body, BODY);
  await settle();
  assert.deepEqual(
    sent.map((one) => [one.url, one.body, PREFIX + one.key]),
    [['/jobs', JSON.stringify(BODY), key]],
  );
  assert.deepEqual([stories(), pending.get(), list.get().ids], [[], [], ['job-1']]);
});

test('without a response the same bytes are sent again with the same key', async () => {
  responses = [undefined, refusal(503, { 'Retry-After': '7' }), refusal(429), refusal(500), accept];
  submit(BODY);
  await settle();
  assert.equal(sent.length, 1);
  for (const [seconds, count] of [
    [1, 2],
    [6, 2],
    [1, 3],
    [4, 4],
    [8, 5],
  ]) {
    await wait(seconds);
    assert.equal(sent.length, count);
  }

  assert.deepEqual(new Set(sent.map(({ key, body }) => `${key} ${body}`)).size, 1);
  assert.deepEqual(list.get().ids, ['job-1']);
});

test('a refusal stays with its error, and can be sent again or discarded', async () => {
  responses = [refusal(402), refusal(402), accept];
  submit(BODY);
  await settle();
  const [{ key, error }] = pending.get();
  assert.deepEqual([error.status, error.message], [402, 'Refused by 402.']);

  retry(key);
  await settle();
  assert.equal(pending.get()[0].error.status, 402);
  retry(key);
  await settle();
  assert.deepEqual(new Set(sent.map((one) => one.key)).size, 1);
  assert.deepEqual(list.get().ids, ['job-1']);

  responses = [refusal(403)];
  submit(BODY);
  await settle();
  discard(pending.get()[0].key);
  assert.deepEqual([stories(), pending.get()], [[], []]);
});

test('a refused job goes back into the form with its errors', async () => {
  const errors = [{ field: 'parameters.prompt', message: 'Too rude.' }];
  responses = [refusal(422, {}, errors)];
  submit(BODY);
  await settle();
  edit(pending.get()[0].key);

  assert.deepEqual(drafts.get('darkroom.draft.flux-schnell'), { values: BODY.parameters, errors });
  assert.match(location.hash, /^#\/make\/flux-schnell/);
  assert.deepEqual(stories(), []);
});

test('two tabs that resume a stored job send it once', async () => {
  const entry = { key: 'k', body: BODY, user: 'ann', created_at: Date.now(), error: null };
  stored[`${PREFIX}k`] = JSON.stringify(entry);
  responses = [accept, accept];
  resumePending();
  resumePending();
  await settle();

  assert.equal(sent.length, 1);
  assert.deepEqual(list.get().ids, ['job-1']);
});

test('a stored job of another user waits until this user signs in', async () => {
  const entry = { key: 'k', body: BODY, user: 'bob', created_at: Date.now(), error: null };
  stored[`${PREFIX}k`] = JSON.stringify(entry);
  responses = [accept];
  resumePending();
  await settle();

  assert.deepEqual([sent, pending.get(), stories()], [[], [], [`${PREFIX}k`]]);

  session.set({ user: 'bob', name: 'bob', token: 't', admin: false });
  await settle();
  assert.deepEqual([sent.length, stories()], [1, []]);
});

test('after 23 hours a job is not sent with its old key', async () => {
  const created_at = Date.now() - 23 * 3_600_000 - 1;
  const entry = { key: 'k', body: BODY, user: 'ann', created_at, error: null };
  stored[`${PREFIX}k`] = JSON.stringify(entry);
  resumePending();
  await settle();
  assert.deepEqual([sent, pending.get()[0].error], [[], { status: 0 }]);

  responses = [accept];
  retry('k');
  await settle();
  assert.equal(sent.length, 1);
  assert.notEqual(sent[0].key, 'k');
});

test('the return of the network ends a pause', async () => {
  responses = [undefined, undefined, undefined];
  submit(BODY);
  await settle();
  await wait(1);
  await wait(2);
  assert.equal(sent.length, 3);
  responses = [accept];
  browser.dispatch('online');
  await settle();
  assert.equal(sent.length, 4);
});

test('a tab shows what another tab stores, and the job when it is accepted there', async () => {
  const entry = { key: 'k', body: BODY, user: 'ann', created_at: Date.now(), error: null };
  held.set(`${PREFIX}k`, new Promise(() => {}));
  stored[`${PREFIX}k`] = JSON.stringify(entry);
  browser.dispatch('storage', {
    key: `${PREFIX}k`,
    oldValue: null,
    newValue: stored[`${PREFIX}k`],
  });
  await settle();
  assert.deepEqual([pending.get().length, sent.length], [1, 0]);

  // Each test above that calls resumePending has added a listener.
  responses = Array(9).fill({ status: 200, body: JOB });
  const oldValue = JSON.stringify({ ...entry, job: 'job-1' });
  delete stored[`${PREFIX}k`];
  browser.dispatch('storage', { key: `${PREFIX}k`, oldValue, newValue: null });
  await settle();
  assert.deepEqual([pending.get(), sent[0].url], [[], '/jobs/job-1']);
  assert.deepEqual(list.get().ids, ['job-1']);
});

test('a token that is refused keeps the job for the next sign-in', async () => {
  responses = [refusal(401), refusal(401)];
  submit(BODY);
  await settle();
  assert.equal(pending.get()[0].error, null);
  assert.equal(stories().length, 1);
});
