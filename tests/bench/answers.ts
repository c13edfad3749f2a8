/**
 * A server that answers as a test says.
 */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";

/** Serves on a free port of 127.0.0.1; `answer` gets the number that the body is. */
export async function serve(
  answer: (n: number, response: ServerResponse) => void,
): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    answer(Number(text), response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
