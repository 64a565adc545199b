import { get, now, request } from '../core/api.js';
import { isOpen, readJob, remove } from '../core/jobs.js';
import { go, link, route } from '../core/router.js';
import { createStore, useStore } from '../core/store.js';
import { duration, number, t } from '../core/text.js';
import { announce, Dialog, errorText, toast } from '../core/ui.js';
import { html, useEffect, useState } from '../vendor/preact.js';

/** The server's time, each second while an open job is displayed. */
const clock = createStore(now());
/** @type {Store<Template[]>} */
const templates = createStore([]);
let users = 0;
let timer = 0;

function start() {
  if (!users++) {
    timer = setInterval(() => document.hidden || clock.set(now()), 1000);
    if (!templates.get().length)
      get('/templates')
        .then((page) => templates.set(page.templates))
        .catch(() => {});
  }
  return () => --users || clearInterval(timer);
}

/** How far an open job is. @type {JobView} */
export function Progress({ job }) {
  const { template, status, started_at, created_at, queue, waiting_since } = job;
  const seconds = (useStore(clock) - Date.parse(started_at ?? created_at)) / 1000;
  const usual = useStore(templates).find(({ code }) => code === template.code)?.expected_seconds;
  useEffect(start, []);
  const v = t.follow;
  if (job.cancel_requested_at) return v.cancelRequested;
  if (status === 'pending') {
    if (!queue) return waiting_since ? v.busy : v.preparing;
    const minutes = Math.round((Date.parse(queue.expected_start_at) - now()) / 60_000);
    return `${v.ahead(queue.ahead_of_yours)}, ${minutes > 1 ? v.startsIn(number(minutes)) : v.startsSoon}`;
  }
  const time = duration(seconds);
  const value = usual && Math.min(0.95, Math.max(0, seconds / usual));
  return html`<progress value=${value} aria-label=${v.running}></progress>
    ${!usual ? time : seconds > usual ? v.longer(time) : v.elapsed(time, duration(usual))}`;
}

/** @type {Record<string, 'edit' | 'otherTemplate' | 'again'>} */
const ACTIONS = {
  refused: 'edit',
  invalid_input: 'edit',
  model_unavailable: 'otherTemplate',
  output_rejected: 'otherTemplate',
  output_host_refused: 'otherTemplate',
};
/** What the user can do after a failure: the key of a text. @param {string} code */
export const failureAction = (code) => ACTIONS[code] ?? 'again';

/** A button that is disabled while it acts. @type {View} */
function Act({ act, text }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    await act().catch((/** @type {any} */ error) => toast(errorText(error)));
    setBusy(false);
  };
  return html`<button disabled=${busy} onClick=${run}>${text}</button>`;
}

/** Buttons to cancel or delete a job, and what a cancel did. @type {JobView} */
export function JobActions({ job }) {
  const [asking, setAsking] = useState(false);
  const { id, credits, outputs, error, cancel_requested_at: canceled } = job;
  const v = t.actions;
  const send = (/** @type {string} */ method, end = '') =>
    request(method, `/jobs/${id}${end}`).catch((error) => {
      // The job has ended, or is deleted.
      if (error.status !== 409 && error.status !== 404) throw error;
    });
  const cancel = async () => {
    await send('POST', '/cancel');
    if (isOpen((await readJob(id)).get())) announce(v.mayFinish);
  };
  const erase = async () => {
    await send('DELETE');
    if (route.get().args[0] === id) go('#/', true);
    remove(id);
    toast(v.erased);
  };
  if (isOpen(job)) return canceled ? v.mayFinish : html`<${Act} act=${cancel} text=${v.cancel} />`;
  const { quoted, charged, refunded } = credits;
  const requested = Math.floor((outputs.length * quoted) / charged);
  return html`${!error && canceled && v.tooLate(number(charged))}
    ${!error && refunded > 0 && `${v.partly(outputs.length, requested)} ${t.follow.back(number(refunded))}`}
    <button onClick=${() => setAsking(true)}>${v.erase}</button>
    ${
      asking &&
      html`<${Dialog} title=${v.eraseTitle} onClose=${() => setAsking(false)}>
        <p>${v.eraseText}</p>
        <${Act} act=${erase} text=${v.erase} />
      <//>`
    }`;
}

/** Why a job failed, what came back, and what to do. @type {JobView} */
export function Failure({ job }) {
  const { id, credits, error, template } = job;
  if (!error) return null;
  const action = failureAction(error.code);
  const again = async () => (await import('../make/submit.js')).submitRerun(job);
  const href = action === 'edit' ? `${link('make', template.code)}?from=${id}` : link('make');
  const why = error.code === 'canceled' ? t.follow.canceled : error.message;
  return html`<p>${why} ${t.follow.back(number(credits.refunded))}</p>
    ${
      action === 'again'
        ? html`<${Act} act=${again} text=${t.actions.again} />`
        : html`<a class="button" href=${href}>${t.actions[action]}</a>`
    }`;
}
