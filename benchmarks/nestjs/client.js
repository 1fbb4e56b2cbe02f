// Requests from Nest's own TCP client: `node client.js <port> <warm-up> <seconds> <in flight>...`
// prints requests per second as JSON, one number for each count in flight.
// What it pipelines: the calls share one connection; Nest writes each request on its own.
import 'reflect-metadata';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';

const [port, warmUp, seconds, ...counts] = process.argv.slice(2).map(Number);
const client = ClientProxyFactory.create({
  transport: Transport.TCP,
  options: { host: '127.0.0.1', port },
});
await client.connect();

async function measure(inFlight, duration) {
  const started = performance.now();
  const deadline = started + duration * 1000;
  let done = 0;
  const caller = async () => {
    while (performance.now() < deadline) {
      const user = await firstValueFrom(client.send({ cmd: 'users.get' }, { id: 7 }));
      if (user.id !== 7) throw new Error('wrong answer');
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return done / ((performance.now() - started) / 1000);
}

await measure(counts.at(-1), warmUp);
const rates = {};
for (const inFlight of counts) rates[inFlight] = await measure(inFlight, seconds);
console.log(JSON.stringify(rates));
await client.close();
