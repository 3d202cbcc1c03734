/** Why a value can't be taken; who asked knows where it stood. A class, so that no value is mistaken for one. */
export class Refusal {
  readonly reason: string;
  /** The value to take in its place, if there is one that stands out. */
  readonly instead: string | undefined;

  constructor(reason: string, instead?: string) {
    this.reason = reason;
    this.instead = instead;
  }
}
