/** Whether a server can be started here. */
export const hasRedis: boolean;

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Ends it: as an operator does (the default), or as a power cut does. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it again on what it has written. */
  start(): Promise<void>;
  /** Ends it and leaves nothing. */
  remove(): Promise<void>;
}

/** Starts a server on the loopback that writes what it is told to a folder of its own. */
export function redisServer(options?: readonly string[], ways?: { readonly tls?: boolean }): Promise<RedisServer>;
