/* The C shim over Google Benchmark: registers rows, runs them interleaved, hands every repetition
 * back. */
#include "bench/gbench.h"

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace
{

/* The counter of a repetition that was. */
const char disturbed[] = "disturbed";

/* Keeps what the library's own reporters would print. Its aggregates are left out: results.c has
 * its own, over whole rounds. */
class Collector : public benchmark::BenchmarkReporter
{
  public:
    Collector(gbench_case *cases, int count)
    {
        for (int i = 0; i < count; i++)
            by_name_[cases[i].name] = &cases[i];
    }

    bool ReportContext(const Context &) override { return true; }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs) {
            if (run.run_type != Run::RT_Iteration || run.error_occurred)
                continue;
            /* The name as registered: the printed one has /iterations: and /real_time behind it. */
            auto found = by_name_.find(run.run_name.function_name);
            if (found == by_name_.end() ||
                found->second->sample_count >= found->second->repetitions)
                continue;
            gbench_case *c = found->second;
            c->samples[c->sample_count++] = {run.iterations, run.real_accumulated_time,
                                             run.cpu_accumulated_time,
                                             run.counters.count(disturbed) > 0};
        }
    }

  private:
    std::map<std::string, gbench_case *> by_name_;
};

void time_case(benchmark::State &state, const gbench_case *c)
{
    if (!c->begin(c->context)) {
        state.SkipWithError("given up before timing");
        return;
    }
    for (auto _ : state)
        c->run(c->context);
    if (!c->end(c->context))
        state.counters[disturbed] = 1;
}

} // namespace

void gbench_run(gbench_case *cases, int count)
{
    /* The library reads its options from a command line only. */
    char program[] = "batchmark", interleave[] = "--benchmark_enable_random_interleaving=true";
    char *arguments[] = {program, interleave, nullptr};
    int argument_count = 2;
    benchmark::Initialize(&argument_count, arguments);

    for (int i = 0; i < count; i++) {
        const gbench_case *c = &cases[i];
        cases[i].sample_count = 0;
        benchmark::RegisterBenchmark(c->name, [c](benchmark::State &state) { time_case(state, c); })
            ->Iterations(c->iterations)
            ->Repetitions(c->repetitions)
            ->UseRealTime();
    }
    Collector collector(cases, count);
    benchmark::RunSpecifiedBenchmarks(&collector, std::string("all"));
    benchmark::ClearRegisteredBenchmarks();
}
