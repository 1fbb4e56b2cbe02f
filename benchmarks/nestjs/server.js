// A NestJS microservice on its TCP transport: `node server.js <port>`.
// Nest writes every reply on its own as the handler's observable gives it.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload, Transport } from '@nestjs/microservices';

class User {
  constructor(id) {
    this.id = id;
    this.name = 'Ada Lovelace';
    this.email = 'ada@example.org';
    this.active = true;
    this.tags = ['a', 'b'];
  }
}

class Users {
  get(request) {
    return new User(request.id);
  }
}

class App {}

// What the decorators of a TypeScript source compile to.
const get = Object.getOwnPropertyDescriptor(Users.prototype, 'get');
// A literal object, as in Nest's own guide: a text pattern costs its server a failed JSON.parse each.
MessagePattern({ cmd: 'users.get' })(Users.prototype, 'get', get);
Payload()(Users.prototype, 'get', 0);
Reflect.defineMetadata('design:paramtypes', [Object], Users.prototype, 'get');
Controller()(Users);
Module({ controllers: [Users] })(App);

const app = await NestFactory.createMicroservice(App, {
  transport: Transport.TCP,
  options: { host: '127.0.0.1', port: Number(process.argv[2]) },
  logger: ['error', 'warn'],
});
await app.listen();
