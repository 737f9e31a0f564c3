# Two API nodes, two media nodes and two workers under Nomad: an example that the tests do not run. The binary and
# /etc/calld come from the Debian package on each client. raw_exec shares the client's network, and one client may get a
# task of each group, so every port is said once.
job "calld" {
  datacenters = ["dc1"]
  type        = "service"

  group "api" {
    count = 2
    constraint {
      distinct_hosts = true
    }
    network {
      port "http" {
        static = 8080
      }
    }
    service {
      name = "calld-api"
      port = "http"
      check {
        type     = "http"
        path     = "/readyz"
        interval = "2s"
        timeout  = "1s"
      }
    }
    task "api" {
      driver       = "raw_exec"
      kill_timeout = "30s"
      config {
        command = "/usr/bin/calld"
        args    = ["api", "--listen", "0.0.0.0:8080"]
      }
    }
  }

  group "media" {
    count = 2
    constraint {
      distinct_hosts = true
    }
    network {
      port "ws" {
        static = 8081
      }
    }
    service {
      name = "calld-media"
      port = "ws"
      check {
        type     = "http"
        path     = "/readyz"
        interval = "2s"
        timeout  = "1s"
      }
    }
    task "media" {
      driver       = "raw_exec"
      kill_timeout = "15m"    # media.drain_timeout: running calls finish
      config {
        command = "/usr/bin/calld"
        args    = ["media", "--listen", "0.0.0.0:8081"]
      }
    }
    task "records" {
      driver       = "raw_exec"
      kill_timeout = "60s"
      env {
        CALLD_WORKER_RECORDS_QUEUE = "records-${attr.unique.hostname}"
        CALLD_WORKER_QUEUES        = "records-${attr.unique.hostname}"
        CALLD_WORKER_LISTEN        = "127.0.0.1:8093"
      }
      config {
        command = "/usr/bin/calld"
        args    = ["worker"]
      }
    }
  }

  group "worker" {
    count = 2
    constraint {
      distinct_hosts = true
    }
    task "worker" {
      driver       = "raw_exec"
      kill_timeout = "60s"    # longer than a create-call and its commit
      env {
        CALLD_WORKER_QUEUES = "dial,default"
        CALLD_WORKER_LISTEN = "127.0.0.1:8083"
      }
      config {
        command = "/usr/bin/calld"
        args    = ["worker"]
      }
    }
  }
}
