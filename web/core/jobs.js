import { get, now } from './api.js';
import { createStore } from './store.js';

/** Jobs that are read, by id. Each has a store, so only its tile is drawn again when it changes.
 * @type {Map<string, Store<Job>>} */
const jobs = new Map();
/** @type {JobList} */
const EMPTY = { ids: [], cursor: null, loading: false, ended: false, error: null };
/** The listed jobs, newest first. */
export const list = createStore(EMPTY);
/** Jobs that are sent but not yet accepted, newest first. @type {Store<PendingJob[]>} */
export const pending = createStore([]);
/** Parameters of `GET /jobs`. @type {Store<Filters>} */
export const filters = createStore({
  status: [],
  template: '',
  created_after: '',
  created_before: '',
});
/** The ids of the open jobs. @type {Store<string[]>} */
export const openJobs = createStore([]);
/** The output that is chosen for comparing, as `ID/N`. */
export const chosen = createStore('');
/** @type {AbortController | undefined} */
let reading;

/** @param {Job} job */
export const isOpen = ({ status }) => status === 'pending' || status === 'processing';
/** @param {string} id */
export const jobStore = (id) => jobs.get(id);

/** Jobs that are displayed. */
export const shownJobs = () =>
  [...jobs.values()].filter((store) => store.watched()).map((store) => store.get());

/** @param {Partial<JobList>} changes */
const change = (changes) => list.set({ ...list.get(), ...changes });
/** @param {string[]} ids @param {string} id */
const without = (ids, id) => ids.filter((one) => one !== id);

/** Take a newer state of a job. Links that still work stay, so the browser's cache is used, unless `newLinks`.
 * @param {Job} job @param {boolean} [newLinks] */
export function put(job, newLinks) {
  const { id } = job;
  const store = jobs.get(id);
  // A response can arrive late. An ended job is never open again.
  if (store && !isOpen(store.get()) && isOpen(job)) return;
  if (store) store.set(newLinks ? job : keepLinks(store.get(), job));
  else jobs.set(id, createStore(job));
  const open = openJobs.get();
  if (isOpen(job) !== open.includes(id))
    openJobs.set(isOpen(job) ? [...open, id] : without(open, id));
}

/** Read a job that may not be in the list. @param {string} id */
export async function readJob(id) {
  put(await get(`/jobs/${encodeURIComponent(id)}`));
  return /** @type {Store<Job>} */ (jobs.get(id));
}

/** List an accepted job. @param {Job} job */
export function insert(job) {
  put(job);
  const { ids } = list.get();
  if (ids.includes(job.id)) return;
  const newer = ids.filter((id) => (jobs.get(id)?.get().created_at ?? '') > job.created_at);
  change({ ids: [...newer, job.id, ...ids.slice(newer.length)] });
}

/** Forget a deleted job. @param {string} id */
export function remove(id) {
  change({ ids: without(list.get().ids, id) });
  openJobs.set(without(openJobs.get(), id));
  jobs.delete(id);
}

/** List jobs of other filters. @param {Filters} next */
export function setFilters(next) {
  filters.set(next);
  reading?.abort();
  list.set(EMPTY);
  return loadMoreJobs();
}

/** Read the next page of the list. */
export async function loadMoreJobs() {
  const { loading, ended, cursor } = list.get();
  if (loading || ended) return;
  reading = new AbortController();
  const { signal } = reading;
  change({ loading: true, error: null });
  try {
    const query = new URLSearchParams({ limit: '50' });
    if (cursor) query.set('cursor', cursor);
    for (const [name, value] of Object.entries(filters.get())) {
      for (const one of [value].flat()) if (one) query.append(name, one);
    }
    /** @type {JobPage} */
    const page = await get(`/jobs?${query}`, signal);
    if (signal.aborted) return;
    for (const job of page.jobs) put(job);
    change({
      ids: [...new Set([...list.get().ids, ...page.jobs.map((job) => job.id)])],
      cursor: page.next_cursor,
      loading: false,
      ended: !page.next_cursor,
    });
  } catch (error) {
    if (!signal.aborted) change({ loading: false, error });
  }
}

/** Whether the links of a job still work for `seconds`. @param {Job} job */
export const linksWork = ({ links_expire_at: end }, seconds = 300) =>
  !end || Date.parse(end) - now() > seconds * 1000;

/** @param {Job} old @param {Job} job */
function keepLinks(old, job) {
  const { outputs, links_expire_at } = old;
  const same = outputs?.length && outputs.length === job.outputs?.length;
  return same && linksWork(old) && !old.linksBroken ? { ...job, outputs, links_expire_at } : job;
}
