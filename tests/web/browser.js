/**
 * Stand-ins of what the modules of the gallery read from the browser when they load.
 * Call it before `await import('../../web/…')`. `language` is the browser's language.
 */
export function installBrowser({ language = 'en-US', hash = '' } = {}) {
  const stored = new Map();
  const listeners = new Map();
  const define = (name, value) =>
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  define('localStorage', {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, String(value)),
    removeItem: (key) => stored.delete(key),
  });
  define('navigator', { language, onLine: true });
  define('location', { hash, origin: 'http://127.0.0.1', pathname: '/', search: '', reload() {} });
  define('history', { replaceState: (_state, _title, url) => (location.hash = url) });
  define('document', {
    documentElement: { dataset: {}, lang: 'en' },
    visibilityState: 'visible',
    addEventListener() {},
  });
  define('IntersectionObserver', class {});
  define('addEventListener', (name, listener) =>
    listeners.set(name, [...(listeners.get(name) ?? []), listener]),
  );
  return {
    stored,
    dispatch(name, event = {}) {
      for (const listener of listeners.get(name) ?? []) listener(event);
    },
  };
}
