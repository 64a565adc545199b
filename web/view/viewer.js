import { chosen, isOpen, jobStore, list, loadMoreJobs, readJob } from '../core/jobs.js';
import { go, leave, link } from '../core/router.js';
import { createStore, useStore } from '../core/store.js';
import { bytes, date, duration, number, t } from '../core/text.js';
import { announce, Dialog, errorText, IconButton, toast } from '../core/ui.js';
import { Failure, JobActions, Progress } from '../follow/state.js';
import { html, useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';
import { gestures } from './zoom.js';

const NONE = createStore(null);
/** @type {any} */
const PAN = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };
/** @type {any} */
const ZOOM = { '+': 1.5, '=': 1.5, '-': 0.67, 0: 0 };

/** A job, or why it is absent. It is read if it is not loaded. @param {string} id @returns {[any, string]} */
function useJob(id) {
  const [reason, setReason] = useState(t.loading);
  const job = useStore(jobStore(id) ?? NONE);
  const seen = useRef('');
  useEffect(() => {
    if (job) seen.current = id;
    else if (seen.current === id) leave();
    else {
      setReason(t.loading);
      readJob(id).then(
        () => setReason(''),
        (error) => setReason(error.status === 404 ? t.view.noJob : errorText(error)),
      );
    }
  }, [id, !job]);
  return [job, reason];
}

/** @param {Output} output */
const isVideo = (output) => output.content_type.startsWith('video');
/** @param {Job} job */
const title = (job) => String(job.parameters.prompt ?? job.template.name);
/** A parameter as text. @param {unknown} value */
const text = (value) => (typeof value === 'string' ? value : JSON.stringify(value ?? ''));

/** An output: its placeholder, then its previews, then the original. Links that do not work are renewed once.
 * @type {JobView} */
function Media({ job, n, still }) {
  const output = job.outputs[n];
  const { url, previews, placeholder, width, height } = output;
  const [original, setOriginal] = useState(false);
  const [tries, setTries] = useState(0);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    // An output that is only passed needs no original.
    const timer = setTimeout(() => setOriginal(true), 150);
    return () => clearTimeout(timer);
  }, []);
  const renew = async () => {
    await import('../follow/follow.js').then((links) => links.renewLinks(job.id)).catch(() => {});
    setTries(tries + 1);
    setFailed(false);
  };
  const onError = () => (tries ? setFailed(true) : renew());
  const preview = previews.at(-1)?.url;
  const video = isVideo(output);
  const layers = [preview, previews[0]?.url, placeholder].map((one) => one && `url("${one}")`);
  const backgroundImage = layers.filter(Boolean).join();
  return html`<div class="frame" style=${{ '--w': width, '--h': height, backgroundImage }}>
    ${
      failed
        ? html`<p class="notice" role="alert">${t.view.notLoaded}<button onClick=${renew}>${t.tryAgain}</button></p>`
        : video && !still
          ? html`<video key=${tries} src=${url} poster=${preview} aria-label=${title(job)} controls playsinline preload="metadata" onError=${onError} />`
          : (still || original) &&
            html`<img key=${tries} src=${video ? preview : url} alt=${title(job)} onError=${onError} />`
    }
  </div>`;
}

/** An output at full size above the grid. @type {View} */
export function Viewer({ args: [id, at = '0'] }) {
  const n = Number(at);
  const [job, reason] = useJob(id);
  const { ids, ended } = useStore(list);
  /** @type {any[]} */
  const [stage, gesture, act] = [useRef(null), useRef(null), useRef(null)];
  const listed = ids.includes(id);
  const all = (listed ? ids : [id]).flatMap((one) =>
    Array.from({ length: jobStore(one)?.get().outputs.length || 1 }, (_, k) => link('job', one, k)),
  );
  const here = link('job', id, n);
  const index = all.indexOf(here);
  const count = number(all.length) + (listed && !ended ? '+' : '');
  const position = t.view.position(number(index + 1), count);
  const output = job?.outputs[n];
  const zoomOrFit = () => gesture.current.zoom(gesture.current.zoomed() ? 0 : 3);
  act.current = (/** @type {any} */ what) =>
    what === 'close' ? leave() : all[index + what] && go(all[index + what], true);

  useEffect(() => {
    gesture.current = gestures(stage.current, (what) => act.current(what));
    const onKey = (/** @type {any} */ event) => {
      const { key, target, altKey, ctrlKey, metaKey } = event;
      if (altKey || ctrlKey || metaKey || target.closest('video, dialog:not(.view)')) return;
      const { zoom, zoomed } = gesture.current;
      const [x, y] = PAN[key] ?? [];
      if (key in ZOOM) zoom(ZOOM[key]);
      else if (zoomed() && key in PAN) zoom(1, x, y);
      else if (x) act.current(-Math.sign(x));
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  useEffect(() => {
    gesture.current.zoom(0);
    if (job) announce(`${position}, ${title(job)}`);
    if (listed && index > all.length - 4) loadMoreJobs();
    for (const step of [1, -1]) {
      const [, , one, k] = all[index + step]?.split('/') ?? [];
      const url = jobStore(one)?.get().outputs[Number(k)]?.previews.at(-1)?.url;
      if (url) new Image().src = url;
    }
    // The tile of this output gets the focus when the dialog is gone.
    return () => {
      /** @type {() => any} */
      const tile = () => document.querySelector(`main a[href="${here}"]`);
      setTimeout(() => tile()?.focus());
    };
  }, [here, !job]);

  const step = (/** @type {'back' | 'next'} */ icon, /** @type {number} */ by) =>
    html`<${IconButton} icon=${icon} label=${t.view[icon]} disabled=${!all[index + by]} onClick=${() => act.current(by)} />`;
  return html`<${Dialog} class="view" title=${job?.template.name ?? t.loading} onClose=${leave}>
    <div class="stage" ref=${stage} onDblClick=${(event) => event.target.matches('video') || zoomOrFit()}>
      ${
        output
          ? html`<${Media} key=${here} job=${job} n=${n} />`
          : html`<div class="notice">${!job ? reason : n ? t.notFound : html`<${State} job=${job} />`}</div>`
      }
    </div>
    <div class="row steps">
      ${step('back', -1)}${position}${step('next', 1)}
      <${IconButton} icon="search" label=${t.view.zoom} disabled=${!output} onClick=${zoomOrFit} />
    </div>
    ${job && html`<${Panel} job=${job} n=${n} />`}
  </${Dialog}>`;
}

/** How an open job is, or what went wrong. @type {JobView} */
const State = ({ job }) => html`<${isOpen(job) ? Progress : Failure} job=${job} />`;

/** @type {JobView} */
function Panel({ job, n }) {
  const { id, credits, outputs, template, parameters } = job;
  const output = outputs[n];
  const v = t.view;
  const here = `${id}/${n}`;
  const other = useStore(chosen) || (outputs[1] && `${id}/${n ? 0 : 1}`);
  const compare = () => {
    const pair = other && other !== here;
    chosen.set(pair ? '' : here);
    if (pair) go(`#/compare/${[other, here].sort().join('/')}`, true);
    else toast(v.chosen);
  };
  const copy = () =>
    navigator.clipboard.writeText(title(job)).then(
      () => toast(v.copied),
      (error) => toast(errorText(error)),
    );
  const button = (/** @type {string} */ label, /** @type {any} */ act, primary = '') =>
    act &&
    (act.big
      ? html`<a class="button ${primary}" href=${act}>${label}</a>`
      : html`<button onClick=${act}>${label}</button>`);
  const fact = (/** @type {string} */ name, /** @type {any} */ value) =>
    !!value && html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return html`<aside>
    ${output && html`<${State} job=${job} />`}
    <p class="prompt">${parameters.prompt}</p>
    <div class="row">
      ${
        output && [
          button(v.download, output.download_url, 'primary'),
          button(v.useAsInput, !isVideo(output) && `#/make?use=${id}.${n}`),
          button(v.compare, compare),
        ]
      }
      ${button(v.copyPrompt, parameters.prompt && copy)}
      ${button(v.runAgain, () => import('../make/submit.js').then((make) => make.submitRerun(job)))}
      ${button(v.edit, `${link('make', template.code)}?from=${id}`)}
      <${JobActions} job=${job} />
    </div>
    <dl>
      ${fact(v.created, date(job.created_at))}
      ${fact(v.took, job.processing_seconds && duration(job.processing_seconds))}
      ${fact(v.charged, number(credits.charged))}
      ${fact(v.refunded, credits.refunded && number(credits.refunded))}
      ${
        output && [
          fact(v.size, `${output.width} × ${output.height}`),
          fact(v.length, output.seconds && duration(output.seconds)),
          fact(v.file, `${output.content_type}, ${bytes(output.bytes)}`),
          fact('C2PA', output.provenance.c2pa && v.notVerified),
        ]
      }
      ${Object.entries(parameters).map(([name, value]) => name !== 'prompt' && fact(name.replaceAll('_', ' '), text(value)))}
    </dl>
  </aside>`;
}

/** Two outputs in one frame. @type {View} */
export function Compare({ args: [idA, nA, idB, nB] }) {
  const [a, reasonA] = useJob(idA);
  const [b, reasonB] = useJob(idB);
  // The part of A in percent. B is at the right.
  const [part, setPart] = useState(50);
  const v = t.view;
  const one = a?.outputs[nA];
  const two = b?.outputs[nB];
  const flicker = () => {
    setPart(part ? 0 : 100);
    announce(part ? 'B' : 'A');
  };
  // An effect after the paint would handle a fast press with the part before it.
  useLayoutEffect(() => {
    const onKey = (/** @type {any} */ { key, repeat, ctrlKey, metaKey }) =>
      key.toLowerCase() === 'f' && !repeat && !ctrlKey && !metaKey && flicker();
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });
  const drag = (/** @type {any} */ { buttons, clientX, pointerId, currentTarget }) => {
    if (!buttons) return;
    currentTarget.setPointerCapture(pointerId);
    const { left, width } = currentTarget.getBoundingClientRect();
    setPart(Math.max(0, Math.min(100, ((clientX - left) / width) * 100)));
  };
  const facts = (/** @type {any} */ job, /** @type {any} */ output) => ({
    [v.template]: job.template.name,
    ...job.parameters,
    [v.size]: `${output.width} × ${output.height}`,
  });
  const [left, right] = one && two ? [facts(a, one), facts(b, two)] : [{}, {}];
  const names = Object.keys({ ...left, ...right }).filter(
    (name) => text(left[name]) !== text(right[name]),
  );
  return html`<${Dialog} class="view" title=${v.compare} onClose=${leave}>
    <div class="stage">
      ${
        one && two
          ? html`<div class="frame pair" onPointerDown=${drag} onPointerMove=${drag}
              style=${{ '--w': one.width, '--h': one.height, '--part': `${part}%` }}>
              <${Media} key=${`a${idA}${nA}`} job=${a} n=${nA} still />
              <${Media} key=${`b${idB}${nB}`} job=${b} n=${nB} still />
            </div>`
          : html`<p class="notice">${a && b ? t.notFound : a ? reasonB : reasonA}</p>`
      }
    </div>
    <div class="row steps">
      A<input type="range" aria-label=${v.slider} value=${part} onInput=${(event) => setPart(+event.target.value)} />B
      <button onClick=${flicker}>${v.flicker}</button>
      <button onClick=${() => go(link('compare', idB, nB, idA, nA), true)}>${v.swap}</button>
    </div>
    <aside tabindex="0">
      ${one && two && Math.abs(one.width / one.height - two.width / two.height) > 0.01 && html`<p>${v.ratios}</p>`}
      ${
        names[0]
          ? html`<table>
              <tr><td></td><th>A</th><th>B</th></tr>
              ${names.map((name) => html`<tr><th>${name.replaceAll('_', ' ')}</th><td>${text(left[name])}</td><td>${text(right[name])}</td></tr>`)}
            </table>`
          : v.same
      }
    </aside>
  </${Dialog}>`;
}
