export { DatabaseError, type DatabaseOptions, isDatabaseReady, openDatabase } from "./database.ts";
