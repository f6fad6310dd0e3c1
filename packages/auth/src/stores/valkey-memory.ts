/**
 * Lua that says of which memory an answer is: of the process that has it, and of its time as a primary. A restart, with or
 * without a dump, is another process; a failover, also back to one that was primary before, is another replication id. What
 * was told to the one is not known to the other: replication and append-only files both lose the last moment.
 */
export const memoryOf = `
local function memory()
  local process = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local line = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  return process .. '.' .. line
end
`;
