import { createStore } from './store.js';

const read = () => {
  const [path = '', query = ''] = location.hash.slice(2).split('?');
  const [name = '', ...args] = path.split('/').map(decodeURIComponent);
  return { name, args, query: new URLSearchParams(query) };
};

/** The view of the address, such as `#/job/ID/0`. */
export const route = createStore(read());
// The entries that this page has added to the history have the state 1.
if (history.state === null) history.replaceState(0, '');
let leaving = false;
addEventListener('hashchange', () => {
  leaving = false;
  if (history.state === null) history.replaceState(1, '');
  route.set(read());
});

/** @param {any[]} parts */
export const link = (...parts) => `#/${parts.map(encodeURIComponent).join('/')}`;

/** Go to a view. `replace`: without a new entry in the history. @param {string} hash */
export function go(hash, replace = false) {
  if (!replace) location.hash = hash;
  else {
    history.replaceState(history.state, '', hash);
    route.set(read());
  }
}

/** Close an overlay: go back to the view below it, or to the grid if it was opened by its address. */
export function leave() {
  if (leaving) return;
  leaving = history.state === 1;
  if (leaving) history.back();
  else go('#/', true);
}
