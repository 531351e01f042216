import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;

/**
 * Curator's SimpleDistributedQueue as a participant: see bench/queues/participant-loop.ts. It takes a job by deleting it, so what
 * is taken is acknowledged at once.
 */
public final class QueueParticipant {
    private static final int DIGITS = 8;
    private static final int PAYLOAD_BYTES = 200;
    private static final int CALLERS = 100;
    /** A consumer of an empty queue looks so often whether it is to stop. */
    private static final long POLL_MS = 500;

    private final List<CuratorFramework> clients = new ArrayList<>();
    private final List<Consumer> consumers = new ArrayList<>();
    private final AtomicLong taken = new AtomicLong();
    private volatile boolean stopping;

    private final class Consumer {
        final List<Long> starts = new ArrayList<>();
        final Thread thread;

        Consumer(CuratorFramework client, String queue) {
            SimpleDistributedQueue jobs = new SimpleDistributedQueue(client, "/" + queue);
            thread = new Thread(() -> take(jobs));
            thread.start();
        }

        private void take(SimpleDistributedQueue jobs) {
            try {
                while (!stopping) {
                    byte[] payload = jobs.poll(POLL_MS, TimeUnit.MILLISECONDS);
                    if (payload == null) continue;
                    starts.add(Long.parseLong(new String(payload, 0, DIGITS, StandardCharsets.US_ASCII)));
                    starts.add(nowUs());
                    taken.incrementAndGet();
                }
            } catch (Exception failure) {
                end(failure);
            }
        }
    }

    public static void main(String[] args) throws Exception {
        QueueParticipant participant = new QueueParticipant();
        for (int client = 0; client < Integer.parseInt(args[1]); client++) {
            participant.clients.add(Contender.connect(args[0]));
        }
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.US_ASCII);
        answer(out, "ready", List.of());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = in.readLine(); line != null; line = in.readLine()) participant.obey(line.split(" "), out);
        for (CuratorFramework client : participant.clients) client.close();
        System.exit(0);
    }

    private void obey(String[] words, PrintStream out) throws Exception {
        switch (words[0]) {
            case "fill" -> {
                long from = nowUs();
                fill(words[1], Long.parseLong(words[2]), Long.parseLong(words[3]));
                answer(out, "filled", List.of(from, nowUs()));
            }
            case "pace" -> answer(out, "paced",
                    pace(words[1], Long.parseLong(words[2]), Integer.parseInt(words[3]), Long.parseLong(words[4])));
            case "consume" -> {
                stopping = false;
                taken.set(0);
                consumers.clear();
                for (CuratorFramework client : clients) consumers.add(new Consumer(client, words[1]));
                answer(out, "consuming", List.of());
            }
            case "progress" -> answer(out, "progress", List.of(taken.get()));
            case "stop" -> answer(out, "stopped", stop());
            case "left" -> answer(out, "left", List.of(left("/" + words[1])));
            default -> throw new IOException("no command " + words[0]);
        }
    }

    private void fill(String name, long first, long count) throws Exception {
        SimpleDistributedQueue queue = new SimpleDistributedQueue(clients.get(0), "/" + name);
        AtomicLong next = new AtomicLong(first);
        List<Thread> threads = new ArrayList<>();
        for (int caller = 0; caller < CALLERS; caller++) {
            Thread thread = new Thread(() -> {
                for (long job = next.getAndIncrement(); job < first + count; job = next.getAndIncrement()) {
                    put(queue, job);
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) thread.join();
    }

    private List<Long> pace(String name, long first, int count, long perSecond) throws Exception {
        SimpleDistributedQueue queue = new SimpleDistributedQueue(clients.get(0), "/" + name);
        List<Long> asked = new ArrayList<>();
        List<Future<?>> puts = new ArrayList<>();
        ExecutorService callers = Executors.newFixedThreadPool(CALLERS);
        long start = nowUs();
        for (int index = 0; index < count; index++) {
            long waitUs = start + index * 1_000_000L / perSecond - nowUs();
            if (waitUs > 0) TimeUnit.MICROSECONDS.sleep(waitUs);
            asked.add(nowUs());
            long job = first + index;
            puts.add(callers.submit(() -> put(queue, job)));
        }
        for (Future<?> put : puts) put.get();
        callers.shutdown();
        return asked;
    }

    private List<Long> stop() throws InterruptedException {
        stopping = true;
        List<Long> starts = new ArrayList<>();
        for (Consumer consumer : consumers) {
            consumer.thread.join();
            starts.addAll(consumer.starts);
        }
        List<Long> all = new ArrayList<>();
        all.add((long) starts.size());
        all.addAll(starts);
        all.addAll(starts);
        return all;
    }

    private long left(String path) throws Exception {
        var stat = clients.get(0).checkExists().forPath(path);
        return stat == null ? 0 : stat.getNumChildren();
    }

    private static void put(SimpleDistributedQueue queue, long job) {
        try {
            String text = String.format("%0" + DIGITS + "d ", job);
            queue.offer((text + "x".repeat(PAYLOAD_BYTES - text.length())).getBytes(StandardCharsets.US_ASCII));
        } catch (Exception failure) {
            end(failure);
        }
    }

    private static void answer(PrintStream out, String word, List<Long> numbers) {
        StringBuilder line = new StringBuilder(word);
        for (long one : numbers) line.append(' ').append(one);
        out.println(line);
        out.flush();
    }

    /** On Linux this is the machine's monotonic clock, the same in every process. */
    private static long nowUs() {
        return System.nanoTime() / 1_000;
    }

    private static void end(Exception failure) {
        failure.printStackTrace();
        System.exit(1);
    }
}
