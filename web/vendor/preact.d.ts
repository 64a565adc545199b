/** The exports of preact.js, which is preact, its hooks and htm. Written by hand. */
export interface VNode {
  type: unknown;
  props: Record<string, any>;
  key: any;
}
type Cleanup = () => void;
type Inputs = readonly unknown[];
export interface Ref<T> {
  current: T;
}
/** The types of functions let event handlers and cells of tables have no annotation. */
type Value = {} | null | undefined | ((event: any) => any) | { [name: string]: (row: any) => any };
export function html(strings: TemplateStringsArray, ...values: Value[]): VNode;
export function h(type: any, props?: object | null, ...children: any[]): VNode;
export function render(tree: VNode | null, parent: Element): void;
export function createContext<T>(value: T): { Provider: any; Consumer: any };
export function useState<T>(initial: T | (() => T)): [T, (next: T | ((previous: T) => T)) => void];
export function useState<T>(): [T | undefined, (next: T | undefined) => void];
export function useReducer<S, A>(
  reducer: (state: S, action: A) => S,
  initial: S,
): [S, (action: A) => void];
export function useEffect(effect: () => void | Cleanup, inputs?: Inputs): void;
export function useLayoutEffect(effect: () => void | Cleanup, inputs?: Inputs): void;
export function useRef<T>(initial: T): Ref<T>;
export function useRef<T>(): Ref<T | undefined>;
export function useMemo<T>(make: () => T, inputs?: Inputs): T;
export function useCallback<T extends (...args: any[]) => any>(callback: T, inputs?: Inputs): T;
export function useContext<T>(context: { Provider: any; Consumer: any }): T;
export function useErrorBoundary(
  callback?: (error: any) => void,
): [any, () => void];
export class Component<P = any, S = any> {
  props: P;
  state: S;
  base: Element | null;
  setState(next: Partial<S>): void;
  forceUpdate(): void;
  render(props: P, state: S): any;
}
