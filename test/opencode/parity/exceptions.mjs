// Where the sandbox's tools mean to differ, and must: case, or group of cases, to the reason.
export const exceptions = {};
