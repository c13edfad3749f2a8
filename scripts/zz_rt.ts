import { findRedisServer, startRedis } from "./redis.ts";
console.log(await findRedisServer());
{ await using a = await startRedis({json:true}); await using b = await startRedis({json:false}); console.log(a.json,a.version,b.json); }
console.log("end");
