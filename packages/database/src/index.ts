export { DatabaseError, type DatabaseOptions, openDatabase } from "./database.ts";
