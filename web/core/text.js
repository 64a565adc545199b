/** @type {Texts} */
export const t = /** @type {any} */ ({});
const chosen = localStorage.getItem('darkroom.language') ?? navigator.language;
export const language = chosen.startsWith('zh') ? 'zh' : 'en';
const chinese = language === 'zh' && 'zh-Hans';
document.documentElement.lang = chinese || 'en';

/** @param {any} module */
const add = (module) => Object.assign(t, module.default);
export const loadTexts = () => import(`../texts/${language}.js`).then(add);
/** The texts of the views that are loaded after the first paint. */
export const loadMoreTexts = () => import(`../texts/more-${language}.js`).then(add);

const locale = chinese || navigator.language || 'en';
const dates = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const numbers = new Intl.NumberFormat(locale);

/** @param {number} value */
export const number = (value) => numbers.format(value);
/** @param {string | number | Date} value */
export const date = (value) => dates.format(new Date(value));
/** 75 seconds are "1:15". @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const parts = [...(hours ? [hours] : []), minutes, whole % 60];
  return parts.map((part, n) => (n ? String(part).padStart(2, '0') : part)).join(':');
}
/** 1,536 bytes are "1.5 kB". @param {number} value */
export function bytes(value) {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, value)) / 3));
  const style = { style: 'unit', unit: units[power], maximumFractionDigits: power ? 1 : 0 };
  return new Intl.NumberFormat(locale, /** @type {any} */ (style)).format(value / 1000 ** power);
}
