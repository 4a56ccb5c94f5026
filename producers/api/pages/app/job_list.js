// The jobs that a list shows: its newest page comes again and again, older ones are added behind.

/** A list of jobs, the newest first. */
export class JobList {
  constructor() {
    /** @type {any[]} */
    this.jobs = [];
    /** @type {string | null} */
    this.cursor = null;
    this._older = false;
  }

  /**
   * Take the newest page; returns the jobs in it whose state is another than before.
   * @param {{jobs: any[], next_cursor: string | null}} page
   */
  takeNewest(page) {
    const known = new Map(this.jobs.map((job) => [job.job_id, job]));
    const fresh = new Set(page.jobs.map((job) => job.job_id));
    const end = page.next_cursor ? Date.parse(page.jobs[page.jobs.length - 1].requested_at) : -Infinity;
    // within the time of this page whatever is not in it is gone, or does not fit any more
    const behind = this.jobs.filter((job) => !fresh.has(job.job_id) && Date.parse(job.requested_at) < end);
    this.jobs = [...page.jobs, ...behind];
    if (!this._older) this.cursor = page.next_cursor;
    return page.jobs.filter((job) => known.has(job.job_id) && known.get(job.job_id).state !== job.state);
  }

  /**
   * Take the page behind the last one.
   * @param {{jobs: any[], next_cursor: string | null}} page
   */
  takeOlder(page) {
    const known = new Set(this.jobs.map((job) => job.job_id));
    this.jobs = [...this.jobs, ...page.jobs.filter((job) => !known.has(job.job_id))];
    this.cursor = page.next_cursor;
    this._older = true;
  }
}
