import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { beforeEach, mock, test } from 'node:test';
import { installBrowser } from './browser.js';

const browser = installBrowser();
document.hidden = false;
document.addEventListener = addEventListener;
mock.timers.enable({
  apis: ['setTimeout', 'setInterval', 'Date'],
  now: Date.parse('2026-11-29T12:00:00Z'),
});
const server = {
  jobs: new Map(),
  log: [],
  down: false,
  refusal: null,
  open: 0,
  openMax: 0,
  expire: 3600,
};
globalThis.fetch = async (address, { headers = {}, method = 'GET', cache } = {}) => {
  const [path, query] = String(address).split('?');
  if (path === '/config.json')
    return reply(200, { api: '', sign_in: { kind: 'local', users: [] } });
  if (path === '/local/token') return reply(200, { token: 'a token' });
  server.log.push({ method, path, query, etag: headers['If-None-Match'], cache, at: Date.now() });
  server.openMax = Math.max(server.openMax, ++server.open);
  await new Promise(setImmediate);
  server.open--;
  if (server.down) throw new TypeError('Failed to fetch');
  if (server.refusal) return reply(server.refusal.status, {}, server.refusal.headers);
  if (path === '/credits') return reply(200, { available: 90 });
  if (path === '/jobs') return reply(200, page(new URLSearchParams(query)));
  const row = server.jobs.get(path.slice('/jobs/'.length));
  if (!row) return reply(404, { detail: 'Not found.' });
  const etag = `W/"${row.revision}"`;
  const same = headers['If-None-Match'] === etag;
  const wait = row.job.finished_at ? {} : { 'Retry-After': String(row.wait) };
  return reply(same ? 304 : 200, same ? null : linked(row.job), { ETag: etag, ...wait });
};
function reply(status, body, headers = {}) {
  const type = body ? { 'Content-Type': 'application/json' } : {};
  return new Response(body && JSON.stringify(body), { status, headers: { ...headers, ...type } });
}
function page(query) {
  const limit = Number(query.get('limit'));
  const jobs = [...server.jobs.values()]
    .map(({ job }) => linked(job))
    .filter((job) => !query.has('status') || query.getAll('status').includes(job.status))
    .filter((job) => !query.has('created_before') || job.created_at < query.get('created_before'))
    .sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  const next = jobs.length > limit ? 'next' : null;
  return { jobs: jobs.slice(0, limit), next_cursor: next, total: server.jobs.size };
}
function linked(job) {
  const expires = new Date(Date.now() + server.expire * 1000).toISOString();
  const outputs = job.outputs.map((output) => ({ ...output, url: `${output.url}?${expires}` }));
  return { ...job, outputs, links_expire_at: outputs.length ? expires : null };
}

const api = await import('../../web/core/api.js');
const { loadConfig, online, session, signIn, startSession } = api;
const jobs = await import('../../web/core/jobs.js');
const { loadMoreTexts, loadTexts, t } = await import('../../web/core/text.js');
const { balance, follow, renewLinks } = await import('../../web/follow/follow.js');
await loadTexts();
await loadConfig();
await startSession();
follow();

let count = 0;
function accept(changes = {}) {
  const created = new Date(Date.now() + ++count).toISOString();
  const job = {
    id: `job-${count}`,
    status: 'pending',
    template: { code: 'flux-schnell', name: 'FLUX schnell' },
    parameters: { prompt: `prompt ${count}` },
    credits: { quoted: 10, held: 10, charged: 0, refunded: 0 },
    outputs: [],
    error: null,
    created_at: created,
    finished_at: null,
    ...changes,
  };
  server.jobs.set(job.id, { job, revision: 1, wait: 1 });
  return job;
}
function change(id, changes) {
  const row = server.jobs.get(id);
  row.job = { ...row.job, ...changes };
  row.revision++;
}
const complete = (id) =>
  change(id, { status: 'completed', finished_at: 'now', outputs: [{ url: `https://s3/${id}` }] });
const submit = (changes) => {
  const job = accept(changes);
  jobs.insert(job);
  return job.id;
};
const status = (id) => jobs.jobStore(id)?.get().status;
/** Let time pass. The tasks of responses run between the steps. */
async function pass(seconds, step = 0.1) {
  for (let passed = 0; passed < seconds; passed += step) {
    mock.timers.tick(step * 1000);
    for (let turn = 0; turn < 12; turn++) await new Promise(setImmediate);
  }
}
const requests = (path) =>
  server.log.filter((one) => (path ? one.path === path : one.path.startsWith('/jobs')));

beforeEach(async () => {
  for (const id of [...server.jobs.keys()]) jobs.remove(id);
  Object.assign(server, { jobs: new Map(), down: false, refusal: null, openMax: 0, expire: 3600 });
  document.hidden = false;
  if (!session.get()) await signIn('ann');
  await jobs.setFilters({ status: [], template: '', created_after: '', created_before: '' });
  await pass(20);
  server.log = [];
});

test('an open job is read after its Retry-After, with its ETag, until it ends', async () => {
  const id = submit();
  server.jobs.get(id).wait = 3;
  await pass(1.5);
  assert.equal(requests(`/jobs/${id}`).length, 1);
  let drawn = 0;
  jobs.jobStore(id).subscribe(() => drawn++);

  await pass(6.2);
  assert.deepEqual(
    requests(`/jobs/${id}`).map((one) => one.etag),
    [undefined, 'W/"1"', 'W/"1"'],
  );
  assert.equal(drawn, 0, 'an unchanged job is not drawn again');

  complete(id);
  await pass(3);
  assert.equal(status(id), 'completed');
  server.log = [];
  await pass(10);
  assert.deepEqual(requests(`/jobs/${id}`), []);
});

test('a Retry-After below a second counts as a second', async () => {
  const id = submit();
  server.jobs.get(id).wait = 0.01;
  await pass(5.05);
  const count = requests(`/jobs/${id}`).length;
  assert.ok(count >= 4 && count <= 5, `${count} requests`);
});

test('the ETag is not sent after another response has replaced the job', async () => {
  const id = submit();
  await pass(1.5);
  jobs.put({ ...jobs.jobStore(id).get(), status: 'processing' });
  await pass(1);
  assert.deepEqual(
    requests(`/jobs/${id}`).map((one) => one.etag),
    [undefined, undefined],
  );
  assert.equal(status(id), 'pending');
});

test('a late response does not open an ended job again', async () => {
  const id = submit();
  const old = jobs.jobStore(id).get();
  complete(id);
  await pass(2);
  jobs.put(old);
  assert.equal(status(id), 'completed');
  assert.deepEqual(jobs.openJobs.get(), []);
});

test('at most four jobs are read at the same time', async () => {
  for (let n = 0; n < 9; n++) submit();
  await pass(1.2);
  assert.equal(requests().length, 9);
  assert.equal(server.openMax, 4);
});

test('many open jobs are read as one page, and those that left it one by one', async () => {
  const ids = Array.from({ length: 30 }, () => submit());
  complete(ids[3]);
  change(ids[4], { status: 'processing' });
  await pass(1.2);
  assert.deepEqual(
    requests()
      .filter((one) => one.path.startsWith('/jobs/'))
      .map((one) => one.path),
    [`/jobs/${ids[3]}`],
  );
  assert.equal(requests().filter((one) => one.query?.includes('status=')).length, 1);
  assert.deepEqual([status(ids[3]), status(ids[4])], ['completed', 'processing']);
});

test('a job that is gone is removed', async () => {
  const id = submit();
  await pass(1.5);
  server.jobs.delete(id);
  await pass(2);
  assert.equal(jobs.jobStore(id), undefined);
  assert.deepEqual([jobs.list.get().ids, jobs.openJobs.get()], [[], []]);
});

test('a hidden page sends no request, and catches up when it is visible', async () => {
  const id = submit();
  document.hidden = true;
  browser.dispatch('visibilitychange');
  await pass(120, 1);
  assert.deepEqual(requests(), []);

  complete(id);
  document.hidden = false;
  browser.dispatch('visibilitychange');
  await pass(0.2);
  assert.equal(status(id), 'completed');
});

test('after sleep, all open jobs are read within five seconds', async () => {
  const id = submit();
  server.jobs.get(id).wait = 60;
  await pass(2);
  complete(id);
  mock.timers.setTime(Date.now() + 3_600_000);
  await pass(5.2);
  assert.equal(status(id), 'completed');
});

test('a lost server is tried after 1, 2, 4 … 30 seconds by one request', async () => {
  for (let n = 0; n < 5; n++) submit();
  server.down = true;
  await pass(1.5);
  assert.equal(online.get(), false);
  server.log = [];
  await pass(100);
  const gaps = requests()
    .slice(1)
    .map((one, n) => Math.round((one.at - requests()[n].at) / 1000));
  assert.deepEqual(gaps.slice(0, 6), [2, 4, 8, 16, 30, 30]);

  server.down = false;
  for (const id of server.jobs.keys()) complete(id);
  browser.dispatch('online');
  await pass(0.3);
  assert.equal(online.get(), true);
  assert.ok([...server.jobs.keys()].every((id) => status(id) === 'completed'));
});

for (const code of [429, 503]) {
  test(`after a ${code}, nothing is read before its Retry-After`, async () => {
    submit();
    server.refusal = { status: code, headers: { 'Retry-After': '12' } };
    await pass(1.2);
    server.log = [];
    browser.dispatch('visibilitychange');
    await pass(10);
    assert.deepEqual(requests(), []);
    server.refusal = null;
    await pass(3);
    assert.ok(requests().length > 0);
  });
}

test('the job of another tab appears in order, and its end is told', async () => {
  const early = accept();
  const late = submit();
  await pass(16);
  assert.deepEqual(jobs.list.get().ids, [late, early.id]);
  complete(early.id);
  await pass(3);
  assert.equal(status(early.id), 'completed');
});

test('without changes, only one job is read every 15 seconds', async () => {
  for (let n = 0; n < 30; n++) complete(submit());
  await pass(40);
  server.log = [];
  await pass(60);
  assert.deepEqual([...new Set(requests().map((one) => one.query))], ['limit=1']);
  assert.equal(requests().length, 4);
});

test('a job that is being sent does not appear twice', async () => {
  jobs.pending.set([{ key: 'k', body: {}, user: 'ann', created_at: 0, error: null }]);
  const job = accept();
  await pass(16);
  assert.deepEqual(jobs.list.get().ids, []);
  jobs.pending.set([]);
  jobs.insert(job);
  assert.deepEqual(jobs.list.get().ids, [job.id]);
});

test('a job that appears while the list is read is not lost', async () => {
  jobs.list.set({ ...jobs.list.get(), ended: false, loading: true });
  const job = accept();
  await pass(16);
  jobs.list.set({ ...jobs.list.get(), ended: true, loading: false });
  await pass(16);
  assert.deepEqual(jobs.list.get().ids, [job.id]);
});

test('filtered lists stay as they are, and the jobs of other tabs are followed', async () => {
  await jobs.setFilters({
    status: ['failed'],
    template: '',
    created_after: '',
    created_before: '',
  });
  const job = accept();
  await pass(16);
  assert.deepEqual(jobs.list.get().ids, []);
  assert.equal(status(job.id), 'pending');
});

test('the end of a job renews the balance', async () => {
  const id = submit();
  balance.set(null);
  complete(id);
  await pass(2);
  assert.equal(balance.get().available, 90);
  assert.equal(requests('/credits').length, 2);
});

test('links are renewed once in 30 seconds, past the cache', async () => {
  const id = submit();
  complete(id);
  await pass(2);
  const old = jobs.jobStore(id).get().outputs[0].url;
  jobs.jobStore(id).set({ ...jobs.jobStore(id).get(), linksBroken: true });
  server.log = [];
  await Promise.all([renewLinks(id), renewLinks(id)]);
  await renewLinks(id);
  assert.deepEqual(
    requests(`/jobs/${id}`).map((one) => one.cache),
    ['no-store'],
  );
  assert.notEqual(jobs.jobStore(id).get().outputs[0].url, old);
  assert.equal(jobs.jobStore(id).get().linksBroken, undefined);
  await pass(31);
  server.log = [];
  await renewLinks(id);
  assert.equal(requests(`/jobs/${id}`).length, 1);
});

test('only displayed jobs get new links before the old ones end', async () => {
  const ids = Array.from({ length: 30 }, () => submit());
  ids.forEach(complete);
  await pass(5);
  assert.ok(ids.every((id) => status(id) === 'completed'));
  const shown = ids.slice(0, 6);
  const stop = shown.map((id) => jobs.jobStore(id).subscribe(() => {}));
  await pass(3250, 1);
  const before = shown.map((id) => jobs.jobStore(id).get().links_expire_at);
  assert.ok(before.every((time) => Date.parse(time) - Date.now() < 400_000));
  server.log = [];
  await pass(200, 1);
  assert.ok(shown.every((id) => jobs.linksWork(jobs.jobStore(id).get(), 3000)));
  const renewing = requests().filter((one) => one.query !== 'limit=1');
  assert.deepEqual(
    renewing.map((one) => one.path),
    ['/jobs'],
  );
  for (const end of stop) end();
});

test('each failure code of the API has a button', async () => {
  const { schemas } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')).components;
  const { failureAction } = await import('../../web/follow/state.js');
  const actions = Object.fromEntries(
    schemas.FailureCode.enum.map((code) => [code, failureAction(code)]),
  );
  assert.deepEqual(actions, {
    refused: 'edit',
    invalid_input: 'edit',
    canceled: 'again',
    no_output: 'again',
    output_rejected: 'otherTemplate',
    output_unavailable: 'again',
    output_host_refused: 'otherTemplate',
    prediction_failed: 'again',
    model_unavailable: 'otherTemplate',
    provider_unavailable: 'again',
    queue_timeout: 'again',
    deadline_exceeded: 'again',
    internal: 'again',
  });
  await loadMoreTexts();
  for (const action of Object.values(actions)) assert.ok(t.actions[action]);
});
