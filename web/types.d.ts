import type { components } from './api';
import type en from './texts/en';
import type moreEn from './texts/more-en';

type Schemas = components['schemas'];

declare global {
  /** A job as `GET /jobs/{id}` shows it. `linksBroken`: an image of it did not load. */
  type Job = Schemas['Job'] & { linksBroken?: boolean };
  type JobPage = Schemas['JobPage'];
  type Output = Schemas['Output'];
  type Preview = Schemas['Preview'];
  type Template = Schemas['Template'];
  type Problem = Schemas['Problem'];
  type Balance = Schemas['Balance'];
  type Entry = Schemas['Entry'];
  type Account = Schemas['Account'];
  type JobRequest = Schemas['JobRequest'];
  /** Texts by a name that the API gives. */
  type Names = Record<string, string>;
  type Texts = typeof en &
    typeof moreEn &
    Record<
      'balance' | 'columns' | 'kinds' | 'pauses' | 'states' | 'submit' | 'tabs' | 'templateKinds',
      Names
    >;
  /** What a file of texts exports. It gives the arguments of its functions a type. */
  type TextGroup = { [key: string]: string | Fn | TextGroup };

  /** A function whose types its body shows. A longer annotation would be served to browsers. */
  type Fn = (...args: any[]) => any;
  type AsyncFn = (...args: any[]) => Promise<any>;
  /** Reads a path and draws the response with a function of the data and of `reload`. */
  type Load = (path: string, draw: Fn, field?: string) => any;
  interface Loaded {
    data?: any;
    error?: any;
    old?: any;
  }
  interface ImagesProps {
    rules: any;
    max: number;
    /** Ids of uploads, or names of their own until they have one. */
    refs: string[];
    set: (next: (refs: string[]) => string[]) => void;
    [attribute: string]: any;
  }
  interface TableProps {
    caption: string;
    rows: any[];
    columns: string;
    cells?: Record<string, Fn>;
  }

  /** A component. The templates of htm do not check properties. */
  type View = (props: any) => any;
  /** A component of a job, or of its output `n`. `still` shows a video by its preview. */
  type JobView = (props: { job: Job; n: number; still?: boolean }) => any;

  interface Store<T> {
    get(): T;
    set(value: T): void;
    subscribe(listener: () => void): () => void;
    /** Whether anything listens: the value is displayed. */
    watched(): boolean;
  }
  interface Session {
    user: string;
    name: string;
    token: string;
    admin: boolean;
  }
  interface LocalSignIn {
    kind: 'local';
    users: string[];
    admin: string;
  }
  interface OidcSignIn {
    kind: 'oidc';
    authority: string;
    client_id: string;
    domain: string | null;
    admin: { claim: string; value: string } | null;
  }
  interface Config {
    api: string;
    sign_in: LocalSignIn | OidcSignIn;
    buy_credits_url: string | null;
    examples: string[];
  }
  interface RequestOptions {
    body?: object;
    headers?: Record<string, string>;
    signal?: AbortSignal | null;
    cache?: RequestCache;
  }
  interface ApiResponse {
    status: number;
    data: any;
    headers: Headers;
  }
  type SendRequest = (
    method: string,
    path: string,
    options?: RequestOptions,
  ) => Promise<ApiResponse>;
  interface Filters {
    status: string[];
    template: string;
    created_after: string;
    created_before: string;
  }
  /** Where a tile is in the grid, in pixels. */
  interface Place {
    x: number;
    y: number;
    w: number;
    h: number;
  }
  /** An output, a job without outputs, or a submit that is not accepted. */
  interface TileData {
    key: string;
    id: string;
    n: number;
    ratio: number;
    pending?: PendingJob;
  }
  type Box = TileData & Place & { vnode?: any };
  type Layout = <T extends { ratio: number }>(
    tiles: T[],
    width: number,
    ended: boolean,
  ) => { boxes: (T & Place)[]; height: number };
  /** The index of the first box that ends below `y`. */
  type FirstBelow = (boxes: Place[], y: number) => number;
  /** The index of the box that a key moves to. */
  type Move = (boxes: Place[], index: number, key: string) => number | undefined;
  /** Called when an element comes near the viewport or leaves. */
  type Watcher = (isIn: boolean) => void;
  type Watch = (element: Element, changed: Watcher) => () => void;
  interface JobList {
    ids: string[];
    cursor: string | null;
    loading: boolean;
    ended: boolean;
    error: any;
  }
  interface Zoom {
    scale: number;
    x: number;
    y: number;
  }
  interface Point {
    x: number;
    y: number;
  }
  type ZoomAt = (view: Zoom, factor: number, point: Point, sizes: number[]) => Zoom;
  /** A submit without a response yet. `key` is its Idempotency-Key. */
  interface PendingJob {
    key: string;
    body: JobRequest;
    user: string;
    created_at: number;
    /** The refusal, if it was refused. */
    error: any;
    /** Why the server did not accept it yet. It is sent again. */
    waits?: string;
  }
}
