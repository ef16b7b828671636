// Templates are compiled in the browser here; the Angular CLI does that when it builds, and needs no such import.
import "@angular/compiler";
import { CUSTOM_ELEMENTS_SCHEMA, Component, provideZonelessChangeDetection, signal } from "@angular/core";
import { bootstrapApplication } from "@angular/platform-browser";
import type { TidingsInboxEvents } from "@tidings/inbox";
import "@tidings/inbox";
import { TIDINGS_URL, freshToken } from "../your-back-end";

@Component({
  selector: "app-root",
  schemas: [CUSTOM_ELEMENTS_SCHEMA],
  template: `
    <tidings-inbox [attr.url]="url" [token]="token" toast (tidings-unread)="count($event)" />
    <p>Unread: <output>{{ unread() }}</output></p>
  `,
})
class App {
  readonly url = TIDINGS_URL;
  readonly token = freshToken;
  readonly unread = signal(0);

  count({ detail }: TidingsInboxEvents["tidings-unread"]): void {
    this.unread.set(detail.unread);
  }
}

await bootstrapApplication(App, { providers: [provideZonelessChangeDetection()] });
