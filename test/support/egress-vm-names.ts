import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { decode, encode } from 'dns-packet';
import type { Answer } from 'dns-packet';

/** A name server that knows a few names, each at its own address, and tells what it was asked. */
export async function answerNames(
  address: string,
  names: readonly string[],
  asked: (name: string, type: string) => void,
): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const query = decode(message);
    const [question] = query.questions ?? [];
    if (question === undefined) return;
    asked(question.name, question.type);
    const name = question.name.toLowerCase();
    const isKnown = names.includes(name);
    const answers: Answer[] =
      isKnown && question.type === 'A' ? [{ name: question.name, type: 'A', ttl: 60, data: address }] : [];
    const flags = 0x0180 | (isKnown ? 0 : 3);
    const reply = encode({ type: 'response', id: query.id ?? 0, flags, questions: [question], answers });
    socket.send(reply, from.port, from.address);
  });
  socket.bind(53, address);
  await once(socket, 'listening');
}
