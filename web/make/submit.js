import { request, session } from '../core/api.js';
import { insert, jobStore, pending, readJob } from '../core/jobs.js';
import { go, link } from '../core/router.js';

const PREFIX = 'darkroom.submit.';
/** The API remembers a key for 24 hours. */
const AGE_MAX_MS = 23 * 3_600_000;
/** Ends of pauses, by key. @type {Map<string, Fn>} */
const pauses = new Map();

const read = (/** @type {string} */ key) =>
  JSON.parse(localStorage.getItem(PREFIX + key) ?? 'null');
const isOld = (/** @type {PendingJob} */ entry) => Date.now() - entry.created_at > AGE_MAX_MS;

/** Store or forget a submit. @type {Fn} */
function write(key, entry) {
  if (entry) localStorage.setItem(PREFIX + key, JSON.stringify(entry));
  else localStorage.removeItem(PREFIX + key);
  show();
}

function show() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  const entries = keys.map((key) => read(key.slice(PREFIX.length)));
  const own = entries.filter((entry) => entry.user === session.get()?.user);
  pending.set(own.sort((one, other) => other.created_at - one.created_at));
}

/** @param {JobRequest} body */
export function submit(body) {
  const key = crypto.randomUUID();
  write(key, { key, body, user: session.get()?.user, created_at: Date.now(), error: null });
  go('#/');
  send(key);
}

/** @param {Job} job */
export const submitRerun = (job) => submit({ rerun_of: job.id });

/** One tab sends. The others go on if that tab closes. @param {string} key */
const send = (key) =>
  navigator.locks.request(PREFIX + key, async () => {
    for (let attempt = 0; ; attempt++) {
      const entry = read(key);
      if (!entry || entry.error || entry.user !== session.get()?.user) return;
      if (entry.job) return write(key);
      if (isOld(entry)) return write(key, { ...entry, error: { status: 0 } });
      try {
        const headers = { 'Idempotency-Key': key };
        const { data } = await request('POST', '/jobs', { body: entry.body, headers });
        insert(data);
        // Other tabs read the job's id when the entry goes.
        write(key, { ...entry, job: data.id });
        return write(key);
      } catch (/** @type {any} */ error) {
        const { status, message, problem, retryable, retryAfter } = error;
        if (status === 401 || !read(key)) return;
        if (!retryable && status !== 500) {
          return write(key, { ...entry, error: { status, message, problem } });
        }
        if (status) write(key, { ...entry, waits: message });
        await new Promise((resolve) => {
          pauses.set(key, resolve);
          setTimeout(resolve, 1000 * (retryAfter ?? Math.min(30, 2 ** attempt)));
        });
      }
    }
  });

/** @param {string} key */
export function retry(key) {
  const entry = read(key);
  if (isOld(entry)) {
    discard(key);
    return submit(entry.body);
  }
  write(key, { ...entry, error: null, waits: '' });
  pauses.get(key)?.();
  send(key);
}

/** @param {string} key */
export const discard = (key) => write(key);

/** @param {string} key */
export function edit(key) {
  const { body, error } = read(key);
  discard(key);
  const code = body.template ?? jobStore(body.rerun_of)?.get().template.code;
  const draft = { values: body.parameters, errors: error?.problem?.errors };
  if (body.parameters) sessionStorage.setItem(`darkroom.draft.${code}`, JSON.stringify(draft));
  go(`${link('make', code)}?from=${body.rerun_of ?? ''}`);
}

/** Send what an earlier page or another tab has stored. */
export function resumePending() {
  const resume = () => {
    show();
    for (const { key } of pending.get()) send(key);
  };
  resume();
  session.subscribe(resume);
  addEventListener('online', () => {
    for (const wake of pauses.values()) wake();
  });
  addEventListener('storage', ({ key, newValue, oldValue }) => {
    if (!key?.startsWith(PREFIX)) return;
    show();
    const { job, user } = JSON.parse(oldValue ?? '{}');
    if (!oldValue) send(key.slice(PREFIX.length));
    if (!newValue && job && user === session.get()?.user) {
      readJob(job).then(
        (store) => insert(store.get()),
        () => {},
      );
    }
  });
}
