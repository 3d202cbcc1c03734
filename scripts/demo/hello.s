# The demo's web server: answers every connection on port 8080 with one sentence, and ends on SIGTERM.
# No C library and no shell, so that an image of it runs on any linux/amd64 engine without a base image to pull.
# Assembled into hello-server.mjs by hand: as -o hello.o hello.s && ld -n -s --build-id=none -o hello hello.o
.globl _start
.text
_start:
    mov $13, %eax                   # rt_sigaction(SIGTERM, &action, 0, 8)
    mov $15, %edi
    lea action(%rip), %rsi
    xor %edx, %edx
    mov $8, %r10d
    syscall
    mov $41, %eax                   # socket(AF_INET, SOCK_STREAM, 0)
    mov $2, %edi
    mov $1, %esi
    xor %edx, %edx
    syscall
    mov %eax, %ebx
    mov $49, %eax                   # bind(fd, &address, 16)
    mov %ebx, %edi
    lea address(%rip), %rsi
    mov $16, %edx
    syscall
    test %eax, %eax
    jnz failed
    mov $50, %eax                   # listen(fd, 16)
    mov %ebx, %edi
    mov $16, %esi
    syscall
next:
    mov $43, %eax                   # accept(fd, 0, 0)
    mov %ebx, %edi
    xor %esi, %esi
    xor %edx, %edx
    syscall
    test %eax, %eax
    js next
    mov %eax, %ebp
    xor %eax, %eax                  # read(connection, buffer, 4096)
    mov %ebp, %edi
    lea -4096(%rsp), %rsi
    mov $4096, %edx
    syscall
    mov $1, %eax                    # write(connection, answer, length)
    mov %ebp, %edi
    lea answer(%rip), %rsi
    mov $answer_length, %edx
    syscall
    mov $3, %eax                    # close(connection)
    mov %ebp, %edi
    syscall
    jmp next
failed:
    mov $1, %edi
    jmp exit
terminated:
    xor %edi, %edi
exit:
    mov $60, %eax
    syscall
.balign 8
action:                             # struct sigaction of the kernel: handler, flags, restorer, mask
    .quad terminated
    .quad 0x04000000                # SA_RESTORER; never used, the handler does not return
    .quad terminated
    .quad 0
address:
    .short 2
    .byte 0x1f, 0x90                # 8080
    .long 0
    .quad 0
answer:
    .ascii "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 49\r\nConnection: close\r\n\r\n"
    .ascii "Hello. I was found, deployed, and I am healthy.\r\n"
.set answer_length, . - answer
