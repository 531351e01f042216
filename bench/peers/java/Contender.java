import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.ExponentialBackoffRetry;

/** Curator's InterProcessMutex as a contender: see bench/locks/loop.ts. */
public final class Contender {
    private static final int SESSION_MS = 15_000;
    private static final int CONNECT_MS = 15_000;

    private record Acquisition(long requested, long granted, long released) {}

    private Contender() {}

    public static void main(String[] args) throws Exception {
        String endpoint = args[0];
        String path = "/" + args[1];
        int clients = Integer.parseInt(args[2]);
        int callers = Integer.parseInt(args[3]);
        long lengthMs = Long.parseLong(args[4]) + Long.parseLong(args[5]);
        List<CuratorFramework> connected = new ArrayList<>();
        for (int client = 0; client < clients; client++) connected.add(connect(endpoint));
        System.out.println("ready");
        if (System.in.read() < 0) return;

        long endUs = nowUs() + lengthMs * 1_000;
        List<List<Acquisition>> records = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (CuratorFramework client : connected) {
            InterProcessMutex mutex = new InterProcessMutex(client, path);
            for (int caller = 0; caller < callers; caller++) {
                List<Acquisition> own = new ArrayList<>();
                records.add(own);
                threads.add(new Thread(() -> contend(mutex, endUs, own)));
            }
        }
        for (Thread thread : threads) thread.start();
        for (Thread thread : threads) thread.join();
        print(records, callers);
        for (CuratorFramework client : connected) client.close();
    }

    static CuratorFramework connect(String endpoint) throws InterruptedException {
        CuratorFramework client = CuratorFrameworkFactory.newClient(
                endpoint, SESSION_MS, CONNECT_MS, new ExponentialBackoffRetry(100, 10));
        client.start();
        client.blockUntilConnected();
        return client;
    }

    /** On Linux this is the machine's monotonic clock, the same in every process. */
    private static long nowUs() {
        return System.nanoTime() / 1_000;
    }

    private static void contend(InterProcessMutex mutex, long endUs, List<Acquisition> record) {
        try {
            for (long requested = nowUs(); requested < endUs; requested = nowUs()) {
                mutex.acquire();
                long granted = nowUs();
                long released = nowUs();
                mutex.release();
                record.add(new Acquisition(requested, granted, released));
            }
        } catch (Exception failure) {
            failure.printStackTrace();
            System.exit(1);
        }
    }

    private static void print(List<List<Acquisition>> records, int callers) {
        StringBuilder lines = new StringBuilder();
        for (int index = 0; index < records.size(); index++) {
            for (Acquisition one : records.get(index)) {
                lines.append(index / callers).append(' ').append(one.requested()).append(' ');
                lines.append(one.granted()).append(' ').append(one.released()).append('\n');
            }
        }
        byte[] bytes = lines.toString().getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}
