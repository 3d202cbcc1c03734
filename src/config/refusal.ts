/** Why a value can't be taken; who asked knows where it stood. A class, so that no value is mistaken for one. */
export class Refusal {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}
