import { html, useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';
import { createStore, useStore } from './store.js';
import { loadMoreTexts, t } from './text.js';

/** @type {Store<{id: number, text: string}[]>} */
const toasts = createStore([]);
const announced = createStore('');
let lastToast = 0;

/** Let screen readers say a text. @param {string} text */
export const announce = (text) => announced.set(text);

/** Show a text for some seconds, also to screen readers. @param {string} text */
export function toast(text) {
  const id = ++lastToast;
  toasts.set([...toasts.get(), { id, text }].slice(-3));
  setTimeout(() => toasts.set(toasts.get().filter((one) => one.id !== id)), 6000);
}

export const Messages = () =>
  html`<div class="toasts" role="status">
      ${useStore(toasts).map(({ id, text }) => html`<p class="toast" key=${id}>${text}</p>`)}
    </div>
    <p class="unseen" aria-live="polite">${useStore(announced)}</p>`;

/** What went wrong. @param {any} error */
export const errorText = ({ status, message, problem }) =>
  status === 0
    ? t.noServer
    : [message, ...(problem?.errors ?? []).map((/** @type {any} */ one) => one.message)].join(' ');

/** @type {Promise<unknown> | undefined} */
let more;
/** Load the style and the texts that are not needed for the first paint. */
export function loadMore() {
  more ??= Promise.all([
    loadMoreTexts(),
    ...['../more.css', '../view.css'].map(
      (path) =>
        new Promise((resolve, reject) => {
          const sheet = document.createElement('link');
          sheet.rel = 'stylesheet';
          sheet.href = new URL(path, import.meta.url).href;
          sheet.onload = resolve;
          sheet.onerror = reject;
          document.head.append(sheet);
        }),
    ),
  ]).catch((error) => {
    more = undefined;
    throw error;
  });
  return more;
}

/** A component of a module that is loaded when it is first needed.
 * @param {{load: () => Promise<any>, name: string, props?: object}} options */
export function Lazy({ load, name, props }) {
  const [loaded, setLoaded] = useState(/** @type {any} */ ({}));
  useEffect(() => {
    let current = true;
    const set = (/** @type {any} */ next) => current && setLoaded({ ...next, name });
    Promise.all([load(), loadMore()]).then(
      ([module]) => set({ component: module[name] }),
      () => set({ failed: true }),
    );
    return () => {
      current = false;
    };
  }, [name]);
  if (loaded.name !== name) return html`<p class="muted">${t.loading}</p>`;
  return loaded.failed
    ? html`<p role="alert">${t.noServer} <button onClick=${() => location.reload()}>${t.tryAgain}</button></p>`
    : html`<${loaded.component} ...${props} />`;
}

/** A modal dialog. It repeats the messages, because the page below it is inert. Escape, the close button and a click beside it close it.
 * @param {{title: string, onClose: () => void, children?: any, class?: string}} props */
export function Dialog({ title, onClose, children, class: className }) {
  /** @type {{current: any}} */
  const dialog = useRef(null);
  // An effect after the paint would leave a moment in which no key reaches the dialog.
  useLayoutEffect(() => {
    /** @type {any} */
    const opener = document.activeElement;
    dialog.current.showModal();
    // The page is inert until the dialog is gone.
    return () => queueMicrotask(() => opener?.focus());
  }, []);
  return html`<dialog ref=${dialog} class=${className} aria-label=${title} onClose=${onClose}
    onClick=${(event) => event.target === dialog.current && onClose()}>
    <header><h2>${title}</h2><${IconButton} icon="close" label=${t.close} onClick=${onClose} /></header>
    ${children}
    <${Messages} />
  </dialog>`;
}

/** Paths in a square of 24. */
const ICONS = {
  close: 'M6 6l12 12M18 6L6 18',
  next: 'M9 5l7 7-7 7',
  back: 'M15 5l-7 7 7 7',
  again: 'M19 12a7 7 0 1 1-2-5l2 2m0-5v5h-5',
  trash: 'M5 7h14M9 7V4h6v3m-8 0l1 13h8l1-13',
  input: 'M4 5h16v14H4zM12 9v6m-3-3h6',
  play: 'M8 5l11 7-11 7z',
  compare: 'M12 3v18M4 6h5v12H4zM15 6h5v12h-5z',
  search: 'M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zm5 12l4 4',
  edit: 'M4 20l1-4L16 5l3 3L8 19z',
  alert: 'M12 4l9 16H3zM12 10v4m0 3h.01',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 2-2 5 4',
};
/** @param {{icon: keyof typeof ICONS}} props */
export const Icon = ({ icon }) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${ICONS[icon]} /></svg>`;

/** A button that shows only an icon. @param {{icon: keyof typeof ICONS, label: string, [attribute: string]: any}} props */
export const IconButton = ({ icon, label, ...rest }) =>
  html`<button type="button" class="icon-button" aria-label=${label} title=${label} ...${rest}><${Icon} icon=${icon} /></button>`;
