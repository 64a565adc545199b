import { online } from '../core/api.js';
import { chosen, isOpen, jobStore, put } from '../core/jobs.js';
import { go, link } from '../core/router.js';
import { createStore, useStore } from '../core/store.js';
import { date, duration, t } from '../core/text.js';
import { errorText, Icon, IconButton } from '../core/ui.js';
import { html, useEffect, useRef, useState } from '../vendor/preact.js';

const progress = createStore(/** @type {any} */ (null));
/** @type {Map<Element, Watcher>} */
const watched = new Map();
const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) watched.get(entry.target)?.(entry.isIntersecting);
  },
  { rootMargin: '50% 0px' },
);
let scrolledAt = 0;
addEventListener('scroll', () => (scrolledAt = Date.now()), { passive: true });

/** @type {Watch} */
function watch(element, changed) {
  watched.set(element, changed);
  observer.observe(element);
  return () => {
    observer.unobserve(element);
    watched.delete(element);
    changed(false);
  };
}

/** @param {{pending: PendingJob}} box */
export function Sending({ pending: { key, body, error } }) {
  /** @type {Fn} */
  const button = (icon, name) =>
    html`<${IconButton} icon=${icon} label=${t.submit[name]} onClick=${() =>
      import('../make/submit.js').then((/** @type {any} */ module) => module[name](key))} />`;
  return html`<div class="note">
    <b>${error ? t.grid.refused : t.grid.sending}</b>
    ${
      error &&
      html`<span class="danger" role="alert" title=${errorText(error)}>${errorText(error)}</span>
        <div>${button('again', 'retry')}${button('edit', 'edit')}${button('trash', 'discard')}</div>`
    }
    <small>${body.parameters?.prompt ?? body.template}</small>
  </div>`;
}

/** @param {Box} box */
export function JobTile({ id, n, w }) {
  const job = useStore(/** @type {any} */ (jobStore(id)));
  const Progress = useStore(progress);
  const { status, error, template, parameters } = job;
  const prompt = `${parameters.prompt ?? template.name}`.slice(0, 500);
  const open = isOpen(job);
  useEffect(() => {
    if (open) import('../follow/state.js').then((module) => progress.set(module.Progress));
  }, [open]);
  if (!open && job.outputs[n]) return html`<${Photo} ...${{ job, n, w, prompt }} />`;
  return html`<a class="note" href=${link('job', id, n)}>
    ${
      open && Progress
        ? html`<${Progress} job=${job} />`
        : html`<b class=${`row ${error && 'danger'}`}>${!open && html`<${Icon} icon=${error ? 'alert' : 'close'} />`}${t.states[status]}</b>
          <span title=${error?.message}>${error?.message}</span>`
    }
    <small>${template.name} · ${prompt}</small>
  </a>`;
}

/** @type {Fn} */
function Photo({ job, n, w, prompt }) {
  const { previews, placeholder, seconds, url, content_type } = job.outputs[n];
  const image = useRef(/** @type {any} */ (null));
  const video = useRef(/** @type {any} */ (null));
  const [loaded, setLoaded] = useState(0);
  const [failed, setFailed] = useState(false);
  const [playing, setPlaying] = useState(false);
  const isOnline = useStore(online);
  // A preview may be enlarged by a quarter.
  const preview =
    previews.find((/** @type {Preview} */ { width }) => width * 1.25 > w * devicePixelRatio) ??
    previews.at(-1);
  const isDone = !preview || loaded >= preview.width;
  useEffect(() => {
    setFailed(false);
    if (isDone) return;
    const { current } = image;
    let timer = 0;
    // A scroll past the tile starts no request, or cancels it.
    return watch(current, (isIn) => {
      clearTimeout(timer);
      if (isIn)
        timer = setTimeout(
          () => (current.src = preview.url),
          Date.now() - scrolledAt < 200 ? 150 : 0,
        );
      else if (!current.complete) current.removeAttribute('src');
    });
  }, [isDone || preview.url, isOnline]);
  useEffect(() => {
    if (playing) return watch(video.current, (isIn) => isIn || setPlaying(false));
  }, [playing]);
  // Links are renewed once in 30 seconds.
  /** @type {Fn} */
  const broken = (giveUp) => {
    put({ ...job, linksBroken: true });
    import('../follow/follow.js')
      .then((module) => module.renewLinks(job.id))
      .then(() => jobStore(job.id)?.get().outputs[n]?.url === url && giveUp(), giveUp);
  };
  const key = `${job.id}/${n}`;
  const other = useStore(chosen);
  const compare = () => {
    chosen.set(other ? '' : key);
    if (other && other !== key) go(link('compare', ...other.split('/'), job.id, n));
  };
  const isVideo = content_type.startsWith('video');
  return html`<a href=${link('job', job.id, n)} style=${{ backgroundImage: placeholder && `url("${placeholder}")` }}>
      ${
        preview
          ? html`<img ref=${image} class=${loaded ? 'in' : ''} alt=${prompt} width=${preview.width} height=${preview.height}
            decoding="async" onLoad=${() => setLoaded(preview.width)} onError=${() => broken(() => setFailed(true))} />`
          : html`<span class="note"><${Icon} icon=${isVideo ? 'play' : 'image'} /><small>${prompt}</small></span>`
      }
      ${failed && html`<span class="row fault"><${Icon} icon="alert" />${t.grid.noImage}</span>`}
      ${
        playing &&
        html`<${isVideo ? 'video' : 'img'} ref=${video} class="in" src=${url} alt="" muted autoplay loop playsinline
        onError=${() => broken(() => setPlaying(false))} />`
      }
      <span class="caption" aria-hidden="true"><span>${prompt}</span><small>${job.template.name} · ${date(job.created_at)}</small></span>
    </a>
    <div class="row tools" onKeyDown=${(event) => event.key === 'Escape' && setPlaying(false)}>
      ${
        seconds !== null &&
        html`<button aria-label=${playing ? t.grid.stop : t.grid.play} onClick=${() => setPlaying(!playing)}>
        <${Icon} icon=${playing ? 'close' : 'play'} />${duration(seconds)}</button>`
      }
      ${!isVideo && preview && html`<${IconButton} icon="compare" label=${t.view.compare} aria-pressed=${other === key} onClick=${compare} />`}
    </div>`;
}
