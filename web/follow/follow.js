import { get, now, online, request, session } from '../core/api.js';
import * as core from '../core/jobs.js';
import { createStore } from '../core/store.js';
import { number, t } from '../core/text.js';
import { announce } from '../core/ui.js';

const { isOpen, jobStore, linksWork, openJobs, put, remove } = core;
/** When each open job is due. @type {Record<string, number>} */
const due = {};
/** The ETag of the response that a job came with. @type {WeakMap<any, any>} */
const etags = new WeakMap();
/** @type {string[]} */
let followed = [];
/** @type {string[]} */
const ends = [];
let lookAt = Date.now() + 2000;
let total = -1;
let pausedUntil = 0;
let failures = 0;
let busy = false;
let timer = 0;

/** Read open jobs until they end, and find the jobs of other tabs and devices. */
export function follow() {
  openJobs.subscribe(openChanged);
  session.subscribe(plan);
  online.subscribe(wake);
  document.addEventListener('visibilitychange', wake);
  addEventListener('online', wake);
  addEventListener('pageshow', wake);
  openChanged();
}

/** Try a lost server at once. */
function wake() {
  if (failures) pausedUntil = 0;
  plan();
}

/** Set the one timer. Timers stand still while the machine sleeps, so it waits 5 seconds at most. */
function plan() {
  clearTimeout(timer);
  if (busy || document.hidden || !session.get()) return;
  const next = Math.min(lookAt, ...openJobs.get().map((id) => due[id]));
  const wait = Math.max(next, pausedUntil) - Date.now();
  timer = setTimeout(tick, Math.min(5000, Math.max(0, wait)));
}

async function tick() {
  busy = true;
  try {
    if (Date.now() >= pausedUntil) await readDue();
  } catch (/** @type {any} */ error) {
    pausedUntil = Date.now() + 1000 * (error.retryAfter ?? Math.min(30, 2 ** failures++));
  }
  busy = false;
  plan();
}

async function readDue() {
  // After a failure, one request tries the server.
  if (failures || Date.now() >= lookAt) await look();
  failures = 0;
  let ids = openJobs.get().filter((id) => due[id] <= Date.now());
  if (ids.length > 10) {
    /** @type {JobPage} */
    const page = await get('/jobs?status=pending&status=processing&limit=100');
    for (const job of page.jobs) {
      due[job.id] = Date.now() + 2000;
      put(job);
    }
    ids = ids.filter((id) => page.jobs.every((job) => job.id !== id));
  }
  await Promise.all([1, 2, 3, 4].map(() => readAll(ids)));
  await renewShown();
}

/** Read jobs, and take them out of `ids`. @param {string[]} ids */
async function readAll(ids) {
  for (let id = ids.pop(); id && !document.hidden; id = ids.pop()) {
    try {
      const etag = etags.get(jobStore(id)?.get());
      const { status, data, headers } = await request('GET', `/jobs/${id}`, {
        headers: etag && { 'If-None-Match': etag },
      });
      due[id] = Date.now() + 1000 * Math.max(1, Number(headers.get('Retry-After')) || 2);
      if (status === 304) continue;
      put(data);
      etags.set(data, headers.get('ETag'));
    } catch (/** @type {any} */ error) {
      if (error.status === 404) remove(id);
      else {
        ids.length = 0;
        throw error;
      }
    }
  }
}

/** Find jobs that another tab or device has submitted. */
async function look() {
  /** @type {JobPage} */
  let page = await get('/jobs?limit=1');
  lookAt = Date.now() + 15_000;
  if (page.total === total && page.jobs.every((job) => jobStore(job.id))) return;
  page = await get('/jobs?limit=20');
  for (const job of page.jobs) if (!jobStore(job.id) || isOpen(job)) put(job);
  const { ids, ended, cursor, loading } = core.list.get();
  // The job of a submit without a response is not displayed twice.
  if (loading || core.pending.get().some((one) => !one.error)) return;
  total = page.total;
  const filters = core.filters.get();
  if (Object.values(filters).some((value) => value.length) || !(ended || cursor)) return;
  if (page.next_cursor && !page.jobs.some((job) => ids.includes(job.id))) core.setFilters(filters);
  else page.jobs.forEach(core.insert);
}

function openChanged() {
  const open = openJobs.get();
  const closed = followed.filter((id) => !open.includes(id));
  followed = open;
  for (const id of open) due[id] ??= Date.now() + 1000;
  // Jobs that end together are one text.
  if (!ends.length && closed.length) setTimeout(announceEnds);
  ends.push(...closed);
  if (session.get()) refreshBalance();
  plan();
}

function announceEnds() {
  const jobs = ends.splice(0).map((id) => jobStore(id)?.get());
  announce(jobs.map((job) => (job && !isOpen(job) ? endText(job) : '')).join(' '));
}

/** @param {Job} job */
function endText({ status, parameters, template, credits, error }) {
  const name = String(parameters.prompt ?? template.name).slice(0, 80);
  const back = t.follow.back(number(credits.refunded));
  if (status === 'completed') return t.follow.done(name);
  return status === 'canceled'
    ? `${t.follow.canceled} ${back}`
    : `${t.follow.failed(name)} ${error?.message} ${back}`;
}

/** The credits of the account. @type {Store<Balance | null>} */
export const balance = createStore(null);
/** @type {Promise<void> | undefined} */
let reading;
/** @type {Promise<void> | undefined} */
let next;

/** Read the credits. Calls during a request share one further request. */
export function refreshBalance() {
  next ??= (async () => {
    await reading;
    next = undefined;
    reading = get('/credits').then(balance.set, () => {});
    await reading;
  })();
  return next;
}

/** Links are renewed three to five minutes before their end, in each tab at another time. */
const LEAD_SECONDS = 300 - Math.random() * 120;
/** @type {Map<string, {at: number, done: Promise<void>}>} */
const renewals = new Map();
/** The renewal of a job in the last 30 seconds. @param {string} id */
function recent(id) {
  const last = renewals.get(id);
  return last && now() - last.at < 30_000 && last;
}

/** Read a job for new links, at most once in 30 seconds. Clears `linksBroken`. @param {string} id */
export function renewLinks(id) {
  const last = recent(id);
  if (last) return last.done;
  // The browser's cache may have the broken links.
  const done = request('GET', `/jobs/${id}`, { cache: 'no-store' }).then(
    ({ data }) => put(data, true),
    (error) => {
      if (error.status === 404) remove(id);
    },
  );
  renewals.set(id, { at: now(), done });
  return done;
}

/** Renew the links of displayed jobs that end soon. */
async function renewShown() {
  const due = core.shownJobs().filter((job) => !linksWork(job, LEAD_SECONDS) && !recent(job.id));
  if (due.length < 4) return due.map((job) => renewLinks(job.id));
  const newest = Math.max(...due.map((job) => Date.parse(job.created_at)));
  const before = new Date(newest + 1).toISOString();
  /** @type {JobPage} */
  const page = await get(`/jobs?limit=50&created_before=${before}`);
  const done = Promise.resolve();
  for (const job of page.jobs) {
    renewals.set(job.id, { at: now(), done });
    if (jobStore(job.id)) put(job, true);
  }
}
