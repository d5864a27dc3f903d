// How the program logs, as settings.

/** What is written at all: of less and less importance. */
export const LOG_LEVELS = ['error', 'warn', 'info'] as const

/** `pretty`: `roomcast: <text>`; `json`: one object a line, with `time`, `level`, `msg` and fields. */
export const LOG_FORMATS = ['pretty', 'json'] as const

/** How the program logs. */
export interface LogSettings {
  readonly level: (typeof LOG_LEVELS)[number]
  readonly format: (typeof LOG_FORMATS)[number]
}

export const LOG_DEFAULTS: LogSettings = { level: 'info', format: 'pretty' }
