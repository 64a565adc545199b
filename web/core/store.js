import { useLayoutEffect, useState } from '../vendor/preact.js';

/** A value with listeners. @type {<T>(value: T) => Store<T>} */
export function createStore(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      if (next === value) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    watched: () => listeners.size > 0,
  };
}

/** Draw the component again when the store changes. @type {<T>(store: Store<T>) => T} */
export function useStore(store) {
  const [, redraw] = useState({});
  const value = store.get();
  useLayoutEffect(() => {
    const changed = () => redraw({});
    if (store.get() !== value) changed();
    return store.subscribe(changed);
  }, [store]);
  return value;
}
