import { get, online } from '../core/api.js';
import { filters, jobStore, list, loadMoreJobs, openJobs, pending } from '../core/jobs.js';
import { go, link } from '../core/router.js';
import { useStore } from '../core/store.js';
import { number, t } from '../core/text.js';
import { announce, errorText } from '../core/ui.js';
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../vendor/preact.js';
import { JobTile, Sending } from './tile.js';

const GAP = 4;
/** @type {Fn} */
const between = (low, value, high) => Math.min(high, Math.max(low, value));

/** @param {any} parameters */
export function askedRatio({ width, height, aspect_ratio, ratio, size } = {}) {
  const named = /^(\d+)[:x*](\d+)$/.exec(aspect_ratio ?? ratio ?? size);
  return between(0.8, (named ? +named[1] / +named[2] : width / height) || 1, 2);
}

/** One ratio for each tile of a job. @param {Job} job @returns {number[]} */
export const ratiosOf = ({ finished_at, outputs, parameters }) =>
  finished_at && outputs.length
    ? outputs.map(({ width, height }) => between(0.5, width / height || 1, 2.5))
    : [askedRatio(parameters)];

/** Rows fill the width. The last one waits for the next page, so no tile moves. @type {Layout} */
export const layout = (tiles, width, ended) => {
  const target = Math.min(280, 120 + width / 10);
  /** @type {any[]} */
  const boxes = [];
  let y = 0;
  while (width && boxes.length < tiles.length) {
    const start = boxes.length;
    let end = start;
    let sum = 0;
    let height = Infinity;
    let before = height;
    while (height > target && end < tiles.length) {
      before = height;
      sum += tiles[end].ratio;
      height = (width - GAP * (end++ - start)) / sum;
    }
    if (height > target) {
      if (!ended) break;
      height = target;
    } else if (before * height < target * target) {
      height = before;
      end--;
    }
    const h = Math.round(height);
    let right = 0;
    for (const tile of tiles.slice(start, end)) {
      const x = Math.round(right);
      right += tile.ratio * height;
      boxes.push({ ...tile, x, y, w: Math.round(right) - x, h });
      right += GAP;
    }
    y += h + GAP;
  }
  return { boxes, height: y };
};

/** @type {FirstBelow} */
export const firstBelow = (boxes, y) => boxes.findLastIndex((box) => box.y + box.h <= y) + 1;

/** @type {Move} */
export const move = (boxes, index, key) => {
  const last = boxes.length - 1;
  if (key === 'Home') return 0;
  if (key === 'End') return last;
  if (key === 'ArrowLeft') return Math.max(0, index - 1);
  if (key === 'ArrowRight') return Math.min(last, index + 1);
  const up = key === 'ArrowUp';
  if (!up && key !== 'ArrowDown') return;
  const { x, y, w, h } = boxes[index];
  const at = up ? y - GAP - 1 : y + h + GAP;
  const next = boxes.findIndex((box) => box.y + box.h > at && box.x + box.w > x + w / 2);
  return next >= 0 && at >= 0 ? next : up ? index : last;
};

/** @type {Names} */
const templates = {};
let isRead = false;

/** @param {{query: URLSearchParams}} props */
export function Filters({ query }) {
  const [open, setOpen] = useState(false);
  const [, setRead] = useState(false);
  const { ids } = useStore(list);
  /** @type {Fn} */
  const value = (name) => query.get(name) ?? '';
  /** @type {Fn} */
  const add = ({ code, name }) => (templates[code] = name);
  for (const id of ids) {
    const job = jobStore(id)?.get();
    if (job) add(job.template);
  }
  const asked = value('template');
  if (asked) templates[asked] ??= asked;
  const readTemplates = async () => {
    if (isRead) return;
    isRead = true;
    (await get('/templates').catch(() => ({ templates: [] }))).templates.map(add);
    setRead(true);
  };
  /** @type {Fn} */
  const change = ({ target }) => {
    const next = new URLSearchParams(query);
    next.set(target.name, target.value);
    if (!target.value) next.delete(target.name);
    go(`#/${next.size ? `?${next}` : ''}`, target.name === 'q');
  };
  /** @type {Fn} */
  const day = (name, label) =>
    html`<label>${label}<input type="date" name=${name} value=${value(name)} onChange=${change} /></label>`;
  /** @type {Fn} */
  const choice = (name, label, options) =>
    html`<select name=${name} aria-label=${label} onChange=${change} onFocus=${readTemplates}>
      ${Object.entries({ '': label, ...options }).map(
        ([one, text]) =>
          html`<option value=${one} selected=${one === value(name)}>${text}</option>`,
      )}
    </select>`;
  const { pending, processing, ...ended } = t.states;
  const label = t.grid.searchIn(number(ids.length));
  return html`<search class=${open ? 'row open' : 'row'}>
    <input type="search" name="q" value=${value('q')} onInput=${change} aria-label=${label} placeholder=${label} />
    <button aria-expanded=${open} onClick=${() => setOpen(!open)}>${t.grid.filters}</button>
    ${choice('status', t.grid.anyState, { 'pending,processing': t.grid.inProgress, ...ended })}
    ${choice('template', t.allTemplates, templates)}
    ${day('from', t.from)}${day('to', t.to)}
    ${query.size > 0 && html`<a class="button" href="#/">${t.grid.clearFilters}</a>`}
  </search>`;
}

/** @type {Fn} */
function matches({ status, template, parameters, created_at }, text) {
  const asked = filters.get();
  return (
    (!asked.status.length || asked.status.includes(status)) &&
    (!asked.template || asked.template === template.code) &&
    created_at >= asked.created_after &&
    created_at < (asked.created_before || '9') &&
    `${parameters.prompt} ${template.name} ${template.code}`.toLowerCase().includes(text)
  );
}

let lastScroll = 0;

/** @param {{query: URLSearchParams, view: any}} props */
export function Wall({ query, view }) {
  const current = useStore(list);
  const open = useStore(openJobs);
  const sending = useStore(pending);
  const isOnline = useStore(online);
  const search = `${query}`;
  const text = (query.get('q') ?? '').toLowerCase();
  const { ids, ended, loading, error } = current;

  const element = useRef(/** @type {any} */ (null));
  const old = useRef(/** @type {Box[]} */ ([]));
  const viewed = useRef('');
  const [width, setWidth] = useState(0);
  const [[from, to], setRange] = useState([0, 0]);
  const [focused, setFocused] = useState('');

  /** @type {{boxes: Box[], height: number}} */
  const { boxes, height } = useMemo(() => {
    /** @type {TileData[]} */
    const tiles = search
      ? []
      : sending.map((one) => ({
          key: one.key,
          id: '',
          n: 0,
          ratio: one.error ? 1.6 : askedRatio(one.body.parameters),
          pending: one,
        }));
    for (const id of ids) {
      const job = jobStore(id)?.get();
      if (job && matches(job, text)) {
        tiles.push(...ratiosOf(job).map((ratio, n) => ({ key: `${id}/${n}`, id, n, ratio })));
      }
    }
    return layout(tiles, width, ended || !!text);
  }, [ids, ended, open, sending, search, width]);

  const top = () => -element.current.getBoundingClientRect().top;
  const look = useRef(() => {});
  look.current = () => {
    lastScroll = scrollY;
    const y = top();
    /** @type {Fn} */
    const at = (screens) => firstBelow(boxes, y + screens * innerHeight);
    if (at(-1) < from || at(2) > to || at(4) < to) setRange([at(-2), at(3)]);
    if (!text && !error && y + 3 * innerHeight > height) loadMoreJobs();
  };
  useEffect(() => look.current(), [boxes, current]);
  useLayoutEffect(() => {
    const resized = () => setWidth(element.current?.clientWidth);
    const scrolled = () => look.current();
    resized();
    addEventListener('resize', resized);
    addEventListener('scroll', scrolled, { passive: true });
    const start = lastScroll;
    requestAnimationFrame(() => scrollTo(0, start));
    return () => {
      removeEventListener('resize', resized);
      removeEventListener('scroll', scrolled);
    };
  }, []);

  // Tiles above may come or go: what the user looks at stays.
  useLayoutEffect(() => {
    const anchor = old.current[firstBelow(old.current, top())];
    const same = top() > 0 && anchor && boxes.find(({ key }) => key === anchor.key);
    const moved = same ? same.y - anchor.y : 0;
    element.current.classList.toggle('moves', !moved && old.current[0]);
    old.current = boxes;
    if (moved) scrollBy(0, moved);
    const more = ids.length - Number(element.current.dataset.count);
    if (more > 1) announce(t.grid.moreLoaded(number(more)));
    element.current.dataset.count = ids.length;
  }, [boxes]);

  useEffect(() => {
    if (!error?.retryable) return;
    const seconds = isOnline && !error.status ? 0 : (error.retryAfter ?? 5);
    const timer = setTimeout(loadMoreJobs, seconds * 1000);
    return () => clearTimeout(timer);
  }, [error, isOnline]);

  /** The tile that keys have chosen. It loses the focus when it is moved in the document. */
  const wanted = useRef('');
  /** @type {Fn} */
  const find = (options) => {
    const key = CSS.escape(wanted.current);
    if (key) element.current?.querySelector(`[data-key="${key}"] a`)?.focus(options);
  };
  useLayoutEffect(() => {
    if (document.activeElement === document.body) find({ preventScroll: true });
  });
  /** The focused tile is drawn wherever it is. @type {Fn} */
  const focus = (key) => {
    wanted.current = key;
    setFocused(key);
    find();
    setTimeout(() => {
      find();
      document.activeElement?.scrollIntoView({ block: 'nearest' });
    });
  };
  useEffect(() => {
    if (view.name) viewed.current = view.args.slice(0, 2).join('/');
    else if (viewed.current) focus(viewed.current);
  }, [view]);

  return html`<div class="grid" role="list" aria-label=${t.grid.results} ref=${element} style=${{ height }}
      onfocusin=${(event) => {
        const { key } = event.target.closest('.tile').dataset;
        if (key !== wanted.current) wanted.current = '';
        setFocused(key);
      }}
      onKeyDown=${(event) => {
        const index = boxes.findIndex(({ key }) => key === focused);
        if (index < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
        const next = move(boxes, index, event.key);
        if (next === undefined) return;
        event.preventDefault();
        focus(boxes[next].key);
      }}>
      ${boxes.flatMap((box, index) => {
        const { x, y, w, h, key } = box;
        if ((index < from || index >= to) && key !== focused) return [];
        const style = { width: w, height: h, transform: `translate(${x}px,${y}px)` };
        box.vnode ??= html`<div class="tile" role="listitem" aria-posinset=${index + 1}
          aria-setsize=${ended ? boxes.length : -1} key=${key} data-key=${key} style=${style}>
          <${box.pending ? Sending : JobTile} ...${box} />
        </div>`;
        return box.vnode;
      })}
    </div>
    <div class="foot" key=${ids.length}>
      ${
        error
          ? html`<p role=${error.status && 'alert'}>${errorText(error)} <button onClick=${loadMoreJobs}>${t.tryAgain}</button></p>`
          : loading
            ? t.loading
            : !boxes.length &&
              (search
                ? html`<p>${t.grid.noMatch}</p>`
                : html`<p>${t.grid.empty}</p><a class="button primary" href=${link('make')}>${t.make}</a>`)
      }
      ${search && !boxes.length && html`<a class="button" href="#/">${t.grid.clearFilters}</a>`}
      ${text && !ended && !loading && html`<button onClick=${loadMoreJobs}>${t.loadMore}</button>`}
    </div>`;
}
