/** How long a timer of Node can be, in milliseconds: it runs at once when asked for more. */
export const longestTimerMs: number = 2 ** 31 - 1;
